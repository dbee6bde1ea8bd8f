//! What a slot can be, and what it can become.
//!
//! ```text
//!  EMPTY ──reserve──> CREATED ──> INITIALIZING ──> IDLE <──release── IN_USE ⟲ hand off
//!    ^                   │              │            │ ──claim─────>   │
//!    │                   └── failed ────┤            │                 │ hook / retire / re-auth
//!    │                                  v            v                 v
//!    └───────── reaped ───────────── CLOSED <──── UNUSABLE <───────────┘   (UNUSABLE ─> IDLE when mended)
//! ```
//!
//! The states and their order are those of the Redis cluster client's connection state machine,
//! with EMPTY for a slot that holds nothing.

/// The state of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum State {
    /// Nothing here; the capacity is free.
    Empty = 0,
    /// Capacity reserved, nothing begun.
    Created = 1,
    /// Being opened.
    Initializing = 2,
    /// Ready for whoever comes.
    Idle = 3,
    /// Held by exactly one caller.
    InUse = 4,
    /// Out of the pool: draining, closing, or under repair.
    Unusable = 5,
    /// Over; waiting to be reaped.
    Closed = 6,
}

impl State {
    /// All states.
    pub const ALL: [State; 7] = [
        State::Empty,
        State::Created,
        State::Initializing,
        State::Idle,
        State::InUse,
        State::Unusable,
        State::Closed,
    ];

    pub(super) fn from_bits(bits: u32) -> Self {
        match State::ALL.get(bits as usize) {
            Some(state) => *state,
            // Three bits have one value too many; nothing ever writes it.
            None => unreachable!("no slot word holds state {bits}"),
        }
    }

    /// Whether the diagram has an arrow from here to `next`.
    pub const fn may_become(self, next: State) -> bool {
        use State::*;
        matches!(
            (self, next),
            (Empty, Created)
                | (Created, Initializing | Closed)
                | (Initializing, Idle | Closed)
                | (Idle, InUse | Unusable | Closed)
                | (InUse, Idle | InUse | Unusable)
                | (Unusable, Idle | Closed)
                | (Closed, Empty)
        )
    }

    /// The word `connections()` shows.
    pub const fn text(self) -> &'static str {
        match self {
            State::Empty => "empty",
            State::Created => "created",
            State::Initializing => "initializing",
            State::Idle => "idle",
            State::InUse => "inUse",
            State::Unusable => "unusable",
            State::Closed => "closed",
        }
    }
}
