//! The engine: mail protocols, policy and storage joined on tokio, to embed in any program.

pub mod clock;
pub mod driver;
pub mod entropy;
pub mod tls;
