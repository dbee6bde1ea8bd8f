//! What slots may hold, each with the pool over it.
//!
//! | what the engine needs to know | the pool | what a slot holds |
//! |---|---|---|
//! | [`blenders`] | [`connection_pool`] | a connection to a Blender |
//! | [`resources`] | [`resource_pool`] | the number of what user code made |
//! | [`permits`] | [`limiter`] | nothing |

pub mod blenders;
pub mod connection_pool;
pub mod limiter;
pub mod permits;
pub mod resource_pool;
pub mod resources;

pub use connection_pool::ConnectionPool;
pub use limiter::Limiter;
pub use resource_pool::ResourcePool;
