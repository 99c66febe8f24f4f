"""Who may do what: rules, compiled into the SQL of every statement."""
