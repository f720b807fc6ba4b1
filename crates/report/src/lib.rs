//! Plots, tables and pages from plain numbers.
