"""Every task of the regression family."""
