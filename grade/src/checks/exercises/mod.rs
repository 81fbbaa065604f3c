//! What holds when an exercise is solved. No step is held to these; `book/exercises/stepNN.toml` names them.

pub(crate) mod step01;
pub(crate) mod step02;
pub(crate) mod step03;
pub(crate) mod step04;
pub(crate) mod step05;
pub(crate) mod step06;
pub(crate) mod step07;
pub(crate) mod step08;
