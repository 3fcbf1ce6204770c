"""The flight recorder: breadcrumbs and journal, the process that samples, and what is read out of them afterwards."""
