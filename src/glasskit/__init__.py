"""The notebook library: algorithms, explanations, charts and metrics, with no server behind them."""
