"""From numbers to paper: tables, figures and the output folder. Imports no backend."""
