"""What one measures on a trained net: Lipschitz bounds, calibrated statistics, indices of iterative convergence."""
