//! The order in which events must come: the rules of the MongoDB CMAP specification, and ours for
//! what it has no word for.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;

use blender_pool::pool::event::{Event, Name};

/// Where a connection stands, as far as its events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Created,
    Ready,
    Out,
    Closed,
}

/// Looks at each event as it comes.
#[derive(Default)]
pub struct Rules {
    stages: BTreeMap<u64, Stage>,
    counts: BTreeMap<Name, usize>,
    closed: bool,
}

impl Rules {
    pub fn look(&mut self, event: &Event) {
        // Of a closed pool one can still ask for something, and be refused.
        let asks = matches!(event.name(), Name::CheckOutStarted | Name::CheckOutFailed);
        assert!(!self.closed || asks, "{event:?} after the pool was closed");
        *self.counts.entry(event.name()).or_default() += 1;
        match event {
            Event::ConnectionCreated { id, .. } => {
                let before = self.stages.insert(*id, Stage::Created);
                assert_eq!(before, None, "connection {id} was created twice");
            }
            Event::ConnectionReady { id, .. } => {
                self.go(*id, &[Stage::Created], Stage::Ready, event);
            }
            Event::CheckedOut { id, .. } => self.go(*id, &[Stage::Ready], Stage::Out, event),
            Event::CheckedIn { id, .. } => self.go(*id, &[Stage::Out], Stage::Ready, event),
            Event::ConnectionClosed { id, .. } => {
                self.go(*id, &[Stage::Created, Stage::Ready], Stage::Closed, event);
            }
            Event::HealthCheckSucceeded { id, .. } => {
                self.go(*id, &[Stage::Ready], Stage::Ready, event);
            }
            Event::HealthCheckFailed { id, .. } => {
                self.go(*id, &[Stage::Ready], Stage::Ready, event);
            }
            Event::HookFailed { id, .. } => {
                let stage = self.stages[id];
                assert!(
                    matches!(stage, Stage::Created | Stage::Ready),
                    "{event:?} while {stage:?}"
                );
            }
            Event::PoolClosed => {
                let open = self.stages.values().filter(|stage| **stage != Stage::Closed).count();
                assert_eq!(open, 0, "the pool was closed before its connections");
                self.closed = true;
            }
            _ => {}
        }
    }

    fn go(&mut self, id: u64, from: &[Stage], to: Stage, event: &Event) {
        let stage = self.stages.get_mut(&id).unwrap_or_else(|| panic!("{event:?} of nothing"));
        assert!(from.contains(stage), "{event:?} while {stage:?}");
        *stage = to;
    }

    /// How often an event came.
    pub fn count(&self, name: Name) -> usize {
        self.counts.get(&name).copied().unwrap_or_default()
    }

    /// Nobody waits and nobody holds anything: every check-out has come to its end. `turned_away`
    /// callers left while they waited, of which nothing is told.
    pub fn must_be_at_rest(&self, turned_away: usize) {
        let [started, failed, out, back] =
            [Name::CheckOutStarted, Name::CheckOutFailed, Name::CheckedOut, Name::CheckedIn]
                .map(|name| self.count(name));
        assert_eq!(started, failed + out + turned_away, "started is not failed and checked out");
        assert_eq!(out, back, "checked out is not checked in");
    }
}
