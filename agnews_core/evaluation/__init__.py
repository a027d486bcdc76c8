"""How good a model is: the report, how it is computed and calibrated, the plain baseline beside it."""
