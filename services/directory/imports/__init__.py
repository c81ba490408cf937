"""Moving in from a spreadsheet: clients, numbers, lines and phone books out of CSV and Excel, with errors by row."""
