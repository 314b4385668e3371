//! The engine: mail protocols, policy and storage joined on tokio, to embed in any program.

pub mod blocking;
pub mod clock;
pub mod driver;
pub mod entropy;
pub mod local;
pub mod tls;
pub mod wall;

pub use blocking::Blocking;
