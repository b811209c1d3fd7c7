"""Templates: as written, as CloudFormation gets them, as one deployment resolves them."""
