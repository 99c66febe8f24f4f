"""Who somebody is: authenticators and sessions."""
