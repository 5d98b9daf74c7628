//! Tests of the protocol against a client over a pipe in memory.
