"""What a page that everybody can open allows."""
