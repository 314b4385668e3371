//! The engine: mail protocols, policy and storage joined on tokio, to embed in any program.

pub mod accounts;
pub mod blocking;
pub mod clock;
mod connection;
pub mod delivery;
pub mod driver;
pub mod entropy;
mod listener;
pub mod local;
pub mod server;
mod service;
pub mod session;
pub mod settings;
pub mod tls;
pub mod wall;

pub use blocking::Blocking;
pub use server::Server;
