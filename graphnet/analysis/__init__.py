"""Measurements on trained nets: Lipschitz bounds, calibrated statistics, indices of iterative convergence."""
