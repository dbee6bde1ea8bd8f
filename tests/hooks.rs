//! User code that runs while a slot is out of the pool.

mod support {
    pub mod make;
    pub mod rules;
    pub mod world;
}

use std::time::Duration;

use blender_pool::fault::Code;
use blender_pool::pool::event::{Event, Hook, Name, Reason};
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{Ask, Kind};
use support::make::{Hooked, Seen};
use support::world::{Step, World};

const TIMEOUT: u64 = 200;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn on_connect(settings: &mut Settings) {
    settings.hooks.on_connect = true;
    settings.hooks.timeout = ms(TIMEOUT);
    settings.patience = ms(0);
}

fn on_release(settings: &mut Settings) {
    settings.hooks.on_release = true;
    settings.hooks.timeout = ms(TIMEOUT);
}

fn world(max: u32, tune: impl FnOnce(&mut Settings)) -> World {
    World::tuned(max, Seen { per_endpoint: usize::MAX, ..Seen::default() }, tune)
}

fn quiet_world(max: u32, tune: impl FnOnce(&mut Settings)) -> World {
    World::tuned(max, Seen { per_endpoint: 1, quiet: true, ..Seen::default() }, tune)
}

async fn steps(world: &mut World, steps: impl IntoIterator<Item = Step>) {
    for step in steps {
        world.step(step).await;
        world.check();
    }
}

fn hooks(world: &World) -> Vec<Hook> {
    world.seen().hooks.values().map(|hooked| hooked.hook).collect()
}

fn told(world: &World, job: u64) -> Option<&'static str> {
    world.seen().told.get(&job).copied()
}

fn count(world: &World, name: Name) -> usize {
    world.seen().rules.count(name)
}

fn closed_for(world: &World) -> Vec<Reason> {
    let reason = |event: &Event| match event {
        Event::ConnectionClosed { reason, .. } => Some(*reason),
        _ => None,
    };
    world.seen().events.iter().filter_map(reason).collect()
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_a_connection_before_user_code_has_let_it_through() {
    let mut world = world(1, on_connect);
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0)]).await;
    assert_eq!(hooks(&world), [Hook::OnConnect]);
    assert_eq!((told(&world, 1), count(&world, Name::ConnectionReady)), (None, 0));
    assert_eq!(world.engine.gauges().connecting, 1);
    steps(&mut world, [Step::RunInHook(0), Step::Finish(0), Step::HookDone(0)]).await;
    assert_eq!((told(&world, 1), told(&world, 2)), (Some("granted"), Some("done")));
    // Its time is over with it.
    steps(&mut world, [Step::Wait(TIMEOUT * 2)]).await;
    assert_eq!((count(&world, Name::HookFailed), world.engine.gauges().in_use), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_user_code_turns_down_could_not_be_opened() {
    let mut world = world(1, on_connect);
    steps(&mut world, [Step::Run(Some(0)), Step::Open(0), Step::HookFails(0), Step::End(0)]).await;
    let fault = world.seen().faults[&1].clone();
    assert_eq!(fault.code(), Code::Connect);
    assert_eq!(fault.cause_of().unwrap().message, "user code threw");
    let counters = world.engine.counters();
    assert_eq!((counters.hook_failures, counters.connect_failures), (1, 1));
    assert_eq!((count(&world, Name::HookFailed), closed_for(&world)), (1, vec![Reason::Error]));
    assert_eq!(world.engine.gauges().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_whose_connections_are_turned_down_each_time_does_not_come_and_go() {
    let mut world = world(1, |settings| {
        on_connect(settings);
        settings.patience = ms(10_000);
    });
    steps(&mut world, [Step::Hold(Some(0))]).await;
    for _ in 0..40 {
        let again = [Step::Open(0), Step::RunInHook(0), Step::Finish(0), Step::HookFails(0)];
        steps(&mut world, again).await;
        steps(&mut world, [Step::End(0), Step::Wait(20)]).await;
    }
    let seen = [Name::EndpointDown, Name::EndpointUp].map(|name| count(&world, name));
    assert_eq!(seen, [1, 0]);
    let tries = world.engine.counters().connect_failures;
    assert!((3..40).contains(&tries), "{tries} tries: the pauses between them do not grow");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_costs_its_connection_and_nothing_else() {
    let mut world = world(1, on_connect);
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0), Step::RunInHook(0)]).await;
    steps(&mut world, [Step::Wait(TIMEOUT + 1)]).await;
    assert_eq!(told(&world, 2), Some("ERR_POOL_CONNECTION_LOST"), "its job was cut");
    let stale = *world.seen().hooks.values().next().unwrap();
    steps(&mut world, [Step::End(0), Step::Wait(50), Step::Hold(Some(0)), Step::Open(0)]).await;
    // What the first says now is not about the second.
    world.engine.hook_done(stale.lease, 1, None);
    assert_eq!(world.engine.gauges().connecting, 1);
    steps(&mut world, [Step::HookDone(1)]).await;
    assert_eq!(world.engine.gauges().in_use, 1);
    assert_eq!(count(&world, Name::HookFailed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_dies_under_user_code_could_not_be_opened() {
    let mut world = world(1, on_connect);
    steps(&mut world, [Step::Run(Some(0)), Step::Open(0), Step::Die(0)]).await;
    assert_eq!(told(&world, 1), Some("ERR_POOL_CONNECT"));
    assert_eq!((count(&world, Name::HookFailed), world.engine.gauges().total()), (1, 0));
    steps(&mut world, [Step::HookDone(0)]).await;
    assert_eq!(world.engine.gauges().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_gives_back_by_way_of_user_code_and_a_job_does_not() {
    let mut world = world(1, on_release);
    steps(&mut world, [Step::Run(Some(0)), Step::Open(0), Step::Finish(0)]).await;
    assert!(hooks(&world).is_empty(), "nobody held it");
    steps(&mut world, [Step::Hold(Some(0)), Step::Release(0), Step::Hold(Some(0))]).await;
    assert_eq!(hooks(&world), [Hook::OnRelease]);
    assert_eq!(world.engine.gauges().unusable, 1);
    assert_eq!(count(&world, Name::CheckedIn), 2);
    assert_eq!(told(&world, 3), None);
    steps(&mut world, [Step::HookDone(0)]).await;
    assert_eq!(told(&world, 3), Some("granted"), "whoever waits gets it then");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_cleaned_up_is_closed() {
    let mut world = world(1, on_release);
    let give_back = [Step::Hold(Some(0)), Step::Open(0), Step::Release(0)];
    steps(&mut world, give_back).await;
    steps(&mut world, [Step::HookFails(0), Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Error]);
    assert_eq!(count(&world, Name::HookFailed), 1);
    assert_eq!(world.engine.counters().connect_failures, 0, "it was open");
}

#[tokio::test(start_paused = true)]
async fn what_became_stale_under_user_code_is_closed_after_it() {
    let mut world = world(1, on_release);
    let give_back = [Step::Hold(Some(0)), Step::Open(0), Step::Release(0)];
    steps(&mut world, give_back).await;
    steps(&mut world, [Step::Clear(None, false)]).await;
    assert!(world.seen().closing.is_empty(), "user code is not disturbed");
    steps(&mut world, [Step::HookDone(0), Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Stale]);
    assert_eq!(count(&world, Name::HookFailed), 0);
}

#[tokio::test(start_paused = true)]
async fn recycling_begins_when_the_holders_jobs_are_done_and_is_told_when_it_is_over() {
    let mut world = world(1, |_| {});
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0)]).await;
    steps(&mut world, [Step::RunHeld(0), Step::RunHeld(0), Step::Recycle(0)]).await;
    assert!(hooks(&world).is_empty());
    steps(&mut world, [Step::Finish(0), Step::Finish(0)]).await;
    assert_eq!(hooks(&world), [Hook::Recycle]);
    assert_eq!((told(&world, 4), world.engine.gauges().unusable), (None, 1));
    steps(&mut world, [Step::HookDone(0)]).await;
    assert_eq!((told(&world, 4), world.engine.gauges().idle), (Some("done"), 1));
    let counters = world.engine.counters();
    assert_eq!((counters.acquired, counters.released), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failed_recycling_tells_what_user_code_said() {
    let mut world = world(1, |_| {});
    let recycle = [Step::Hold(Some(0)), Step::Open(0), Step::Recycle(0), Step::HookFails(0)];
    steps(&mut world, recycle).await;
    let fault = world.seen().faults[&2].clone();
    assert_eq!(fault.code(), Code::ConnectionLost);
    assert_eq!(fault.cause_of().unwrap().message, "user code threw");
    steps(&mut world, [Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Error]);
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_before_it_is_recycled_is_told_so() {
    let mut world = world(1, |_| {});
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0), Step::RunHeld(0)]).await;
    steps(&mut world, [Step::Recycle(0), Step::Break(0)]).await;
    assert_eq!(told(&world, 3), Some("ERR_POOL_CONNECTION_LOST"));
    assert!(hooks(&world).is_empty());
    // And one that was lost while it was held is refused at the call.
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0), Step::Die(0)]).await;
    let lease = world.seen().held[0].1;
    let fault = world.engine.recycle(lease, 99).unwrap_err();
    assert_eq!(fault.code(), Code::ConnectionLost);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_hook_is_good_for_jobs_while_it_runs_and_for_nothing_else() {
    let mut world = world(1, on_release);
    let give_back = [Step::Hold(Some(0)), Step::Open(0), Step::Release(0), Step::MisuseHook(0)];
    steps(&mut world, give_back).await;
    let Hooked { lease, .. } = *world.seen().hooks.values().next().unwrap();
    steps(&mut world, [Step::RunInHook(0)]).await;
    assert_eq!(world.running(), 1);
    steps(&mut world, [Step::Finish(0), Step::HookDone(0), Step::Hold(Some(0))]).await;
    let held = world.seen().held[0].1;
    assert_ne!(lease, held);
    let late = Ask::new(Kind::RunHeld(lease));
    assert_eq!(world.engine.submit(late, 99).unwrap_err().code(), Code::NotHeld);
}

#[tokio::test(start_paused = true)]
async fn a_holder_of_what_is_gone_is_not_taken_for_the_hook_of_what_came_after() {
    let mut world = world(1, on_connect);
    let hold = [Step::Hold(Some(0)), Step::Open(0), Step::HookDone(0)];
    steps(&mut world, hold).await;
    let old = world.seen().held[0].1;
    steps(&mut world, [Step::Die(0), Step::Hold(Some(0)), Step::Open(0)]).await;
    assert_eq!(hooks(&world), [Hook::OnConnect]);
    let late = Ask::new(Kind::RunHeld(old));
    assert_eq!(world.engine.submit(late, 99).unwrap_err().code(), Code::ConnectionLost);
}

#[tokio::test(start_paused = true)]
async fn a_hook_is_over_when_its_jobs_are() {
    let mut world = world(1, on_release);
    let give_back = [Step::Hold(Some(0)), Step::Open(0), Step::Release(0), Step::RunInHook(0)];
    steps(&mut world, give_back).await;
    let Hooked { lease, .. } = *world.seen().hooks.values().next().unwrap();
    steps(&mut world, [Step::HookDone(0)]).await;
    assert_eq!(world.engine.gauges().unusable, 1);
    let late = Ask::new(Kind::RunHeld(lease));
    assert_eq!(world.engine.submit(late, 99).unwrap_err().code(), Code::NotHeld);
    steps(&mut world, [Step::Finish(0)]).await;
    assert_eq!(world.engine.gauges().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn on_a_quiet_endpoint_nothing_is_dialled_while_a_hooks_job_runs() {
    let mut world = quiet_world(2, on_connect);
    steps(&mut world, [Step::Hold(Some(0)), Step::Hold(Some(0)), Step::Open(0)]).await;
    // The model refuses to open anything while a job runs there.
    steps(&mut world, [Step::RunInHook(0), Step::Wait(50)]).await;
    assert_eq!((world.running(), world.opening()), (1, 0));
    steps(&mut world, [Step::Finish(0), Step::HookDone(0), Step::Wait(50)]).await;
    assert_eq!(world.opening(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_closes_waits_for_user_code_until_its_deadline() {
    let mut world = world(1, on_release);
    let give_back = [Step::Hold(Some(0)), Step::Open(0), Step::Release(0), Step::Close];
    steps(&mut world, give_back).await;
    assert!(world.seen().closing.is_empty());
    steps(&mut world, [Step::Wait(60)]).await;
    assert_eq!(world.seen().closing.len(), 1, "its deadline is over");
    steps(&mut world, [Step::End(0)]).await;
    assert_eq!(world.engine.state(), "closed");
    assert_eq!(closed_for(&world), [Reason::PoolClosed]);
}
