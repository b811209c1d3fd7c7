"""Tools that generate parts of templates and documents; no deployment contains them."""
