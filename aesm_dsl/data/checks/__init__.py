"""What is checked in rows: one check a module, each with the findings that it adds."""
