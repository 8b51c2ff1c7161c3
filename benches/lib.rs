//! A package of benchmarks only: `cargo bench --bench storm`. They are compiled at full optimisation, which the root package
//! is not, because they compare the simulator with loops of their own.
