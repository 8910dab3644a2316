"""The audit as a whole: a healthy shop has no violation, and each corruption that is planted in it is named."""
