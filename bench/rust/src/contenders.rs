//! The pools, each with the settings that suit it best: nothing is checked when it is handed out,
//! nothing grows old, and everything is open before it is measured. A limit on waiting is on where
//! a pool has one unless told otherwise (this one, bb8, mobc).

#![allow(deprecated, reason = "fastpool is being renamed; this is the release others measure")]

use std::convert::Infallible;
use std::sync::Arc;
use std::task::Context;

use crate::{Slots, Thing};

/// One of the pools.
pub trait Contender: Sized + Send + Sync + 'static {
    const NAME: &'static str;
    type Held<'a>: Send;

    fn new(slots: u32) -> Self;

    fn acquire(&self) -> impl Future<Output = Self::Held<'_>> + Send;
}

/// The crate's own.
pub struct Ours(Slots);

impl Contender for Ours {
    const NAME: &'static str = "blender_pool";
    type Held<'a> = crate::Held<'a>;

    fn new(slots: u32) -> Self {
        Ours(Slots::new(slots))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        self.0.acquire().await.expect("nothing fails here")
    }
}

/// Makes things.
pub struct Maker;

pub struct Bb8(bb8::Pool<Maker>);

impl bb8::ManageConnection for Maker {
    type Connection = Thing;
    type Error = Infallible;

    async fn connect(&self) -> Result<Thing, Infallible> {
        Ok(Thing)
    }

    async fn is_valid(&self, _: &mut Thing) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Thing) -> bool {
        false
    }
}

impl Contender for Bb8 {
    const NAME: &'static str = "bb8";
    type Held<'a> = bb8::PooledConnection<'a, Maker>;

    fn new(slots: u32) -> Self {
        let builder = bb8::Pool::builder().max_size(slots).min_idle(slots);
        let builder = builder.test_on_check_out(false).max_lifetime(None).idle_timeout(None);
        Bb8(builder.build_unchecked(Maker))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        self.0.get().await.expect("nothing fails here")
    }
}

pub struct Deadpool(deadpool::managed::Pool<Maker>);

impl deadpool::managed::Manager for Maker {
    type Type = Thing;
    type Error = Infallible;

    async fn create(&self) -> Result<Thing, Infallible> {
        Ok(Thing)
    }

    async fn recycle(
        &self,
        _: &mut Thing,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl Contender for Deadpool {
    const NAME: &'static str = "deadpool";
    type Held<'a> = deadpool::managed::Object<Maker>;

    fn new(slots: u32) -> Self {
        let builder = deadpool::managed::Pool::builder(Maker).max_size(slots as usize);
        let builder = builder.queue_mode(deadpool::managed::QueueMode::Lifo);
        Deadpool(builder.build().expect("no timeout needs a runtime"))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        self.0.get().await.expect("nothing fails here")
    }
}

pub struct Mobc(mobc::Pool<Maker>);

#[mobc::async_trait]
impl mobc::Manager for Maker {
    type Connection = Thing;
    type Error = Infallible;

    async fn connect(&self) -> Result<Thing, Infallible> {
        Ok(Thing)
    }

    async fn check(&self, thing: Thing) -> Result<Thing, Infallible> {
        Ok(thing)
    }
}

impl Contender for Mobc {
    const NAME: &'static str = "mobc";
    type Held<'a> = mobc::Connection<Maker>;

    fn new(slots: u32) -> Self {
        let builder = mobc::Pool::builder().max_open(slots.into()).max_idle(slots.into());
        Mobc(builder.test_on_check_out(false).max_lifetime(None).build(Maker))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        self.0.get().await.expect("nothing fails here")
    }
}

pub struct Qp(qp::Pool<Maker>);

#[qp::async_trait]
impl qp::resource::Manage for Maker {
    type Output = Thing;
    type Error = Infallible;

    async fn try_create(&self) -> Result<Thing, Infallible> {
        Ok(Thing)
    }
}

impl Contender for Qp {
    const NAME: &'static str = "qp";
    type Held<'a> = qp::Pooled<'a, Maker>;

    fn new(slots: u32) -> Self {
        Qp(qp::Pool::new(Maker, slots as usize))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        // A future of its that is woken in vain never wakes again: whoever waits asks anew each time.
        let asking =
            |context: &mut Context<'_>| std::pin::pin!(self.0.acquire_unchecked()).poll(context);
        std::future::poll_fn(asking).await.expect("nothing fails here")
    }
}

pub struct Fastpool(Arc<fastpool::bounded::Pool<Maker>>);

impl fastpool::ManageObject for Maker {
    type Object = Thing;
    type Error = Infallible;

    async fn create(&self) -> Result<Thing, Infallible> {
        Ok(Thing)
    }

    async fn is_recyclable(
        &self,
        _: &mut Thing,
        _: &fastpool::ObjectStatus,
    ) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Contender for Fastpool {
    const NAME: &'static str = "fastpool";
    type Held<'a> = fastpool::bounded::Object<Maker>;

    fn new(slots: u32) -> Self {
        let config = fastpool::bounded::PoolConfig::new(slots as usize)
            .with_queue_strategy(fastpool::QueueStrategy::Lifo);
        Fastpool(fastpool::bounded::Pool::new(config, Maker))
    }

    async fn acquire(&self) -> Self::Held<'_> {
        self.0.get().await.expect("nothing fails here")
    }
}
