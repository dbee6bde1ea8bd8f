//! A face for tests of the core alone: nothing is ever carried out.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::fault::{Delivered, Fault};
use crate::pool::event::Event;
use crate::pool::face::{CloseReport, Face, Grant, Opened, Start};

/// See the module.
pub struct Nobody;

impl Face for Nobody {
    type Resource = ();
    type Job = ();
    fn open(&self, _: usize, _: u32, _: u64) -> BoxFuture<'static, Result<Opened<()>, Fault>> {
        unreachable!()
    }
    fn close(&self, _: &Arc<()>) {}
    fn start(&self, _: &Arc<()>, _: u64, _: &()) -> Start {
        unreachable!()
    }
    fn cut(&self, _: &Arc<()>, _: u64, _: Duration) -> Delivered {
        unreachable!()
    }
    fn granted(&self, _: &(), _: &Grant<()>) -> bool {
        false
    }
    fn failed(&self, _: &(), _: Fault) {}
    fn observed(&self, _: &Event) {}
    fn closed(&self, _: &CloseReport) {}
}
