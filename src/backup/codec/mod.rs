//! Values of CQL as the protocol carries them (native_protocol_v4.spec, section 6), into Parquet's columns and back. Pure.
//!
//! [`wire`] takes values apart and puts them together; [`scalar`] is a value without parts, [`number`] and [`duration`] the
//! ones that take arithmetic; [`node`] says where in a file the parts of a type stand; [`shred`] fills columns, [`assemble`]
//! reads them.

pub mod assemble;
pub mod column;
pub mod duration;
pub mod node;
pub mod number;
pub mod scalar;
pub mod shred;
pub mod tree;
pub mod wire;

pub use wire::elements;
