"""The tables of studies and searches, as `kbnd.report.table.Table` values."""
