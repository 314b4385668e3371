//! The engine: mail protocols, policy and storage joined on tokio, to embed in any program.
