//! Checks of what is idle, and reports on everything.

mod support {
    pub mod make;
    pub mod rules;
    pub mod world;
}

use std::time::Duration;

use blender_pool::pool::event::{Event, Name, Reason};
use blender_pool::pool::settings::Settings;
use serde_json::Value;
use support::make::Seen;
use support::world::{Step, World};
use tokio::time::Instant;

const INTERVAL: u64 = 1_000;
const TIMEOUT: u64 = 100;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn with_rounds(settings: &mut Settings) {
    settings.health.interval = Some(ms(INTERVAL));
    settings.health.timeout = ms(TIMEOUT);
    settings.health.failures = 3;
}

fn without_rounds(settings: &mut Settings) {
    with_rounds(settings);
    settings.health.interval = None;
}

fn free() -> Seen {
    Seen { per_endpoint: usize::MAX, ..Seen::default() }
}

fn quiet() -> Seen {
    Seen { per_endpoint: 1, quiet: true, ..Seen::default() }
}

/// A world in which so many connections are idle at endpoint 0.
async fn idle_world(count: usize, max: u32, seen: Seen, tune: impl FnOnce(&mut Settings)) -> World {
    let mut world = World::tuned(max, seen, tune);
    for _ in 0..count {
        world.step(Step::Hold(Some(0))).await;
    }
    for _ in 0..count {
        world.step(Step::Open(0)).await;
        // A quiet endpoint is dialled for one after another.
        world.step(Step::Wait(1)).await;
    }
    for _ in 0..count {
        world.step(Step::Release(0)).await;
    }
    assert_eq!(world.engine.gauges().idle, count);
    world
}

async fn steps(world: &mut World, steps: impl IntoIterator<Item = Step>) {
    for step in steps {
        world.step(step).await;
        world.check();
    }
}

fn checking(world: &World) -> usize {
    world.seen().checking.len()
}

fn asked(world: &World) -> usize {
    world.seen().checks.values().sum()
}

fn count(world: &World, name: Name) -> usize {
    world.seen().rules.count(name)
}

fn failures(world: &World) -> Vec<u32> {
    let failures = |event: &Event| match event {
        Event::HealthCheckFailed { failures, .. } => Some(*failures),
        _ => None,
    };
    world.seen().events.iter().filter_map(failures).collect()
}

fn closed_for(world: &World) -> Vec<Reason> {
    let reason = |event: &Event| match event {
        Event::ConnectionClosed { reason, .. } => Some(*reason),
        _ => None,
    };
    world.seen().events.iter().filter_map(reason).collect()
}

/// Waits until a check runs; how long that took, in milliseconds.
async fn until_asked(world: &mut World) -> u64 {
    let began = Instant::now();
    while checking(world) == 0 {
        assert!(began.elapsed() < ms(20 * INTERVAL), "nobody is ever asked");
        world.step(Step::Wait(1)).await;
    }
    began.elapsed().as_millis() as u64
}

#[tokio::test(start_paused = true)]
async fn what_is_idle_is_asked_out_of_the_pool_and_an_answer_mends_it() {
    let mut world = idle_world(1, 2, free(), with_rounds).await;
    until_asked(&mut world).await;
    assert_eq!(world.engine.gauges().unusable, 1);
    steps(&mut world, [Step::Wait(7), Step::Answer(0)]).await;
    assert_eq!(world.engine.gauges().idle, 1);
    assert_eq!(count(&world, Name::HealthCheckSucceeded), 1);
    let mut latency = None;
    world.engine.each_slot(|view| latency = view.latency);
    assert_eq!(latency, Some(ms(7)));
    assert_eq!(world.engine.counters().health_checks, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_use_or_was_at_work_a_moment_ago_is_not_asked() {
    let mut world = idle_world(2, 2, free(), with_rounds).await;
    steps(&mut world, [Step::Hold(Some(0))]).await;
    for _ in 0..10 {
        steps(&mut world, [Step::Run(Some(0)), Step::Finish(0), Step::Wait(INTERVAL / 2)]).await;
    }
    assert_eq!(asked(&world), 0);
    steps(&mut world, [Step::Wait(2 * INTERVAL)]).await;
    assert_eq!(asked(&world), 1, "the idle one");
}

#[tokio::test(start_paused = true)]
async fn a_caller_takes_or_opens_another_slot_while_a_check_runs() {
    let mut world = idle_world(1, 2, free(), with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0)]).await;
    assert_eq!(world.seen().held.len(), 1);
    assert_eq!(checking(&world), 1, "the check goes on");
}

#[tokio::test(start_paused = true)]
async fn with_every_slot_under_check_a_caller_gets_the_first_that_answers() {
    let mut world = idle_world(2, 2, free(), without_rounds).await;
    world.check_health();
    assert_eq!(checking(&world), 2);
    steps(&mut world, [Step::Hold(Some(0))]).await;
    assert!(world.seen().held.is_empty());
    steps(&mut world, [Step::Answer(1)]).await;
    assert_eq!(world.seen().held.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_round_leaves_one_to_callers_where_no_more_can_be_opened_and_asks_it_next() {
    let mut world = idle_world(3, 3, free(), with_rounds).await;
    until_asked(&mut world).await;
    assert_eq!(checking(&world), 2);
    steps(&mut world, [Step::Hold(Some(0))]).await;
    assert_eq!(world.seen().held.len(), 1, "a caller waits for a check");
    steps(&mut world, [Step::Release(0), Step::Answer(0)]).await;
    steps(&mut world, [Step::Answer(0), Step::Wait(2 * INTERVAL), Step::Answer(0)]).await;
    let least = world.seen().checks.values().min().copied();
    assert_eq!((world.seen().checks.len(), least), (3, Some(1)), "one was never asked");
}

#[tokio::test(start_paused = true)]
async fn a_silent_slot_is_asked_once_fails_again_and_again_and_is_closed() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::Wait(TIMEOUT + 1)]).await;
    assert_eq!(failures(&world), [1]);
    steps(&mut world, [Step::Wait(INTERVAL / 4), Step::Wait(INTERVAL / 4)]).await;
    assert_eq!(failures(&world), [1, 2, 3]);
    assert_eq!(asked(&world), 1, "a second question while one is open");
    assert!(closed_for(&world).is_empty(), "its reply is drained first");
    steps(&mut world, [Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Unhealthy]);
    assert_eq!(world.engine.counters().health_check_failures, 3);
    assert_eq!(world.engine.gauges().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_answer_mends_the_slot() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::Wait(TIMEOUT + 1), Step::Wait(INTERVAL / 4)]).await;
    assert_eq!(failures(&world), [1, 2]);
    steps(&mut world, [Step::Answer(0)]).await;
    assert_eq!(world.engine.gauges().idle, 1);
    let mut failures = None;
    world.engine.each_slot(|view| failures = Some(view.failures));
    assert_eq!(failures, Some(0), "they were in a row");
    // Its time has gone with it.
    for _ in 0..INTERVAL {
        steps(&mut world, [Step::Answer(0), Step::Wait(1)]).await;
    }
    assert_eq!(count(&world, Name::HealthCheckFailed), 2);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_under_check_is_a_failed_check_and_a_closed_connection() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::BreakCheck(0)]).await;
    assert_eq!(failures(&world), [1]);
    assert_eq!(closed_for(&world), [Reason::Error]);
    assert_eq!(world.engine.gauges().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_found_dead_is_closed_unasked() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    let thing = world.seen().open.values().next().cloned().unwrap();
    thing.dead.store(true, std::sync::atomic::Ordering::SeqCst);
    steps(&mut world, [Step::Wait(2 * INTERVAL), Step::End(0)]).await;
    assert_eq!((asked(&world), failures(&world)), (0, vec![1]));
    assert_eq!(closed_for(&world), [Reason::Error]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_what_is_gone_changes_nothing() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    until_asked(&mut world).await;
    let gone = world.seen().open.values().next().cloned().unwrap();
    steps(&mut world, [Step::BreakCheck(0), Step::Hold(Some(0)), Step::Open(0)]).await;
    steps(&mut world, [Step::Release(0), Step::Wait(1)]).await;
    until_asked(&mut world).await;
    world.engine.finished(gone.slot, gone.id, false, true, |_| unreachable!());
    assert_eq!(world.engine.gauges().unusable, 1, "the check of its successor goes on");
    assert_eq!(count(&world, Name::HealthCheckSucceeded), 0);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_by_then_is_closed_without_a_question() {
    let tune = |settings: &mut Settings| {
        with_rounds(settings);
        settings.max_lifetime = Some(ms(INTERVAL / 2));
    };
    let mut world = idle_world(1, 1, free(), tune).await;
    steps(&mut world, [Step::Wait(INTERVAL), Step::End(0)]).await;
    assert_eq!((asked(&world), closed_for(&world)), (0, vec![Reason::Lifetime]));
}

#[tokio::test(start_paused = true)]
async fn what_became_stale_under_check_is_closed_at_once() {
    let mut world = idle_world(1, 1, free(), with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::Clear(None, false), Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Stale]);
    assert!(failures(&world).is_empty(), "nobody knows how it does");
}

#[tokio::test(start_paused = true)]
async fn a_slot_above_a_lowered_limit_is_closed_when_it_has_answered() {
    let mut world = idle_world(2, 2, free(), with_rounds).await;
    until_asked(&mut world).await;
    let small = [Step::Resize(0, 1), Step::Answer(0), Step::Answer(0), Step::End(0)];
    steps(&mut world, small).await;
    assert_eq!(closed_for(&world), [Reason::Idle]);
    assert_eq!(world.engine.gauges().idle, 1);
}

#[tokio::test(start_paused = true)]
async fn rounds_slow_down_while_all_is_well_and_hurry_after_trouble() {
    let mut world = idle_world(2, 3, free(), with_rounds).await;
    until_asked(&mut world).await;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        steps(&mut world, [Step::Answer(0), Step::Answer(0)]).await;
        pauses.push(until_asked(&mut world).await);
    }
    assert!(pauses[1].abs_diff(INTERVAL * 3 / 2) < 10, "{pauses:?}");
    assert!(pauses[3].abs_diff(2 * INTERVAL) < 10, "{pauses:?}");
    // One of the two stays silent: the other is asked again soon.
    steps(&mut world, [Step::Answer(0), Step::Wait(TIMEOUT + 1)]).await;
    let (before, began) = (asked(&world), Instant::now());
    while asked(&world) == before {
        world.step(Step::Wait(1)).await;
    }
    assert!(began.elapsed() <= ms(INTERVAL / 4 + 2), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn many_slots_are_asked_in_portions_each_about_once_an_interval() {
    let tune = |settings: &mut Settings| {
        with_rounds(settings);
        settings.health.concurrency = 3;
    };
    let mut world = idle_world(12, 12, free(), tune).await;
    until_asked(&mut world).await;
    for _ in 0..50 {
        steps(&mut world, [Step::Answer(0), Step::Wait(1)]).await;
    }
    assert_eq!(asked(&world), 3, "more than the portion of one round");
    let began = Instant::now();
    while began.elapsed() < ms(3 * INTERVAL) {
        steps(&mut world, [Step::Answer(0), Step::Wait(2)]).await;
    }
    let seen = world.seen();
    assert_eq!(seen.most_checking, 3);
    assert_eq!(seen.checks.len(), 12, "{:?}", seen.checks);
    let (least, most) = (seen.checks.values().min().unwrap(), seen.checks.values().max().unwrap());
    assert!(most - least <= 1 && *most <= 3, "{:?}", seen.checks);
}

#[tokio::test(start_paused = true)]
async fn twenty_checks_take_the_time_of_one() {
    let mut world = idle_world(20, 20, free(), without_rounds).await;
    let began = Instant::now();
    let job = world.check_health();
    world.step(Step::Wait(50)).await;
    assert_eq!(checking(&world), 20);
    for _ in 0..20 {
        world.step(Step::Answer(0)).await;
    }
    // Endpoint 1 has nothing open, and gets its try.
    world.step(Step::Open(0)).await;
    let report = report(&world, job);
    assert_eq!(report["endpoints"][0]["checked"], 20);
    assert!(began.elapsed() < ms(60), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_quiet_endpoint_is_asked_one_by_one_and_only_while_nothing_runs() {
    let tune = |settings: &mut Settings| {
        with_rounds(settings);
        settings.job_timeout = ms(60_000);
    };
    let mut world = idle_world(3, 3, quiet(), tune).await;
    steps(&mut world, [Step::Run(Some(0)), Step::Wait(4 * INTERVAL)]).await;
    assert_eq!(asked(&world), 0, "while a job runs");
    steps(&mut world, [Step::Finish(0), Step::Wait(1)]).await;
    assert_eq!(checking(&world), 1);
    steps(&mut world, [Step::Run(Some(0))]).await;
    assert_eq!(world.running(), 0, "a check is a job there");
    steps(&mut world, [Step::Answer(0)]).await;
    assert_eq!((world.running(), checking(&world)), (1, 0), "jobs go first");
    steps(&mut world, [Step::Finish(0), Step::Wait(1)]).await;
    assert_eq!((world.running(), checking(&world)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn where_slots_hold_nothing_one_check_speaks_for_all() {
    let seen = Seen { per_endpoint: 1, per_job: true, ..Seen::default() };
    let mut world = idle_world(3, 3, seen, with_rounds).await;
    until_asked(&mut world).await;
    steps(&mut world, [Step::Answer(0), Step::Wait(10)]).await;
    assert_eq!(asked(&world), 1);
    until_asked(&mut world).await;
    steps(&mut world, [Step::UnsentCheck(0), Step::End(0), Step::End(0), Step::End(0)]).await;
    assert_eq!(closed_for(&world), [Reason::Error; 3]);
    assert_eq!(failures(&world), [1]);
    let stats = world.engine.stats();
    assert_eq!(stats["endpoints"][0]["failures"], 1, "as for a job that could not be sent");
}

// ---- reports --------------------------------------------------------------------------------

fn report(world: &World, job: u64) -> Value {
    world.seen().done.get(&job).cloned().expect("the report is not given yet")
}

fn is_given(world: &World, job: u64) -> bool {
    world.seen().done.contains_key(&job)
}

#[tokio::test(start_paused = true)]
async fn a_report_is_fresh_and_says_who_was_busy() {
    let mut world = idle_world(2, 2, free(), without_rounds).await;
    steps(&mut world, [Step::Hold(Some(0)), Step::RunHeld(0), Step::Finish(0)]).await;
    let job = world.check_health();
    steps(&mut world, [Step::Wait(5), Step::Answer(0)]).await;
    let report = report(&world, job);
    let there = &report["endpoints"][0];
    assert_eq!(there["status"], "healthy");
    assert_eq!(
        (&there["checked"], &there["failed"], &there["busy"]),
        (&1.into(), &0.into(), &1.into())
    );
    let connections = report["connections"].as_array().unwrap();
    let oks: Vec<&Value> = connections.iter().map(|line| &line["ok"]).collect();
    assert!(oks.contains(&&Value::Null) && oks.contains(&&Value::Bool(true)), "{connections:?}");
    assert_eq!(report["durationMs"], 5.0);
    // There was no room to try the other endpoint.
    assert_eq!(report["endpoints"][1]["status"], "degraded");
    assert_eq!(report["status"], "degraded");
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_open_a_report_tries_and_tells_the_cause() {
    let mut world = World::tuned(4, free(), without_rounds);
    let job = world.check_health();
    steps(&mut world, [Step::Open(0), Step::FailToOpen(0)]).await;
    let report = report(&world, job);
    assert_eq!(report["endpoints"][0]["status"], "healthy");
    assert_eq!(report["endpoints"][1]["status"], "unhealthy");
    assert_eq!(report["status"], "degraded");
    let reasons = report["reasons"].as_array().unwrap();
    assert_eq!(reasons, &[Value::from("b: refused")]);
    // Again, while its backoff runs: somebody wants to know.
    let job = world.check_health();
    steps(&mut world, [Step::Answer(0), Step::FailToOpen(0)]).await;
    assert!(is_given(&world, job));
}

#[tokio::test(start_paused = true)]
async fn all_sick_is_unhealthy() {
    let mut world = World::tuned(4, free(), without_rounds);
    let job = world.check_health();
    steps(&mut world, [Step::FailToOpen(0), Step::FailToOpen(0)]).await;
    assert_eq!(report(&world, job)["status"], "unhealthy");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_reported_when_its_time_is_over() {
    let mut world = idle_world(2, 2, free(), without_rounds).await;
    let job = world.check_health();
    steps(&mut world, [Step::Answer(0), Step::Wait(TIMEOUT - 1)]).await;
    assert!(!is_given(&world, job));
    steps(&mut world, [Step::Wait(2)]).await;
    let first = report(&world, job);
    assert_eq!(first["endpoints"][0]["status"], "degraded");
    assert_eq!(first["endpoints"][0]["failed"], 1);
    assert_eq!(first["connections"][1]["ok"], false);
    assert_eq!(first["connections"][1]["error"]["code"], "ERR_POOL_COMMAND_TIMEOUT");
    // It is still silent: that is known without asking it again.
    let job = world.check_health();
    steps(&mut world, [Step::Answer(0)]).await;
    let answered = world.seen().checks[&1];
    assert_eq!((answered, asked(&world)), (2, 3));
    assert_eq!(report(&world, job)["connections"][1]["ok"], false);
}

#[tokio::test(start_paused = true)]
async fn several_reports_share_their_checks() {
    let mut world = idle_world(1, 1, free(), without_rounds).await;
    let jobs = [world.check_health(), world.check_health()];
    steps(&mut world, [Step::Wait(10)]).await;
    let late = world.check_health();
    steps(&mut world, [Step::Answer(0)]).await;
    assert_eq!(asked(&world), 1);
    for job in jobs.into_iter().chain([late]) {
        assert_eq!(report(&world, job)["connections"][0]["ok"], true);
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_keeps_to_the_limit_of_checks_at_a_time() {
    let tune = |settings: &mut Settings| {
        without_rounds(settings);
        settings.health.concurrency = 2;
    };
    let mut world = idle_world(5, 5, free(), tune).await;
    let job = world.check_health();
    for _ in 0..5 {
        assert!(!is_given(&world, job));
        steps(&mut world, [Step::Wait(1), Step::Answer(0)]).await;
    }
    assert_eq!(world.seen().most_checking, 2);
    assert_eq!(report(&world, job)["endpoints"][0]["checked"], 5);
}

#[tokio::test(start_paused = true)]
async fn a_report_never_waits_for_longer_than_opening_and_a_check_may_take() {
    let mut world = idle_world(1, 2, quiet(), |settings| {
        without_rounds(settings);
        settings.open_timeout = ms(500);
        settings.job_timeout = ms(60_000);
    })
    .await;
    // A job keeps the one endpoint busy, an attempt that never ends the other.
    steps(&mut world, [Step::Run(Some(0))]).await;
    let job = world.check_health();
    steps(&mut world, [Step::Wait(500 + TIMEOUT - 1)]).await;
    assert!(!is_given(&world, job));
    steps(&mut world, [Step::Wait(2)]).await;
    let report = report(&world, job);
    assert_eq!(report["endpoints"][1]["status"], "unhealthy");
    assert_eq!(report["endpoints"][0]["busy"], 1);
}

#[tokio::test(start_paused = true)]
async fn busy_connections_of_an_endpoint_that_answered_lately_are_well_and_else_not() {
    let mut world = idle_world(1, 1, free(), |settings| {
        without_rounds(settings);
        settings.job_timeout = ms(600_000);
    })
    .await;
    steps(&mut world, [Step::Run(Some(0))]).await;
    let job = world.check_health();
    assert_eq!(report(&world, job)["endpoints"][0]["status"], "healthy");
    tokio::time::sleep(Duration::from_secs(90)).await;
    let job = world.check_health();
    let there = report(&world, job)["endpoints"][0].clone();
    assert_eq!(there["status"], "degraded");
    assert!(there["reasons"][0].as_str().unwrap().contains("90 s"), "{there}");
}

#[tokio::test(start_paused = true)]
async fn a_report_of_a_pool_that_is_paused_or_closed_says_so_and_never_fails() {
    let mut world = idle_world(1, 1, free(), without_rounds).await;
    steps(&mut world, [Step::Pause]).await;
    let job = world.check_health();
    steps(&mut world, [Step::Answer(0)]).await;
    let paused = report(&world, job);
    assert_eq!((&paused["status"], &paused["state"]), (&"degraded".into(), &"paused".into()));
    assert_eq!(paused["reasons"][0], "the pool is paused");
    let cut_short = world.check_health();
    steps(&mut world, [Step::Close]).await;
    assert_eq!(report(&world, cut_short)["state"], "closing");
    steps(&mut world, [Step::End(0)]).await;
    assert_eq!(world.engine.state(), "closed");
    let job = world.check_health();
    let closed = report(&world, job);
    assert_eq!((&closed["status"], &closed["state"]), (&"unhealthy".into(), &"closed".into()));
}

// ---- the watchdog ---------------------------------------------------------------------------

fn watched(settings: &mut Settings) {
    settings.upkeep_interval = Some(ms(100));
    settings.open_timeout = ms(1_000);
    settings.drain_timeout = ms(300);
    settings.acquire_timeout = ms(60_000);
    settings.patience = ms(0);
}

fn alerts(world: &World) -> usize {
    count(world, Name::Alert)
}

#[tokio::test(start_paused = true)]
async fn an_attempt_to_open_that_never_ends_is_given_up() {
    let mut world = World::tuned(1, free(), watched);
    steps(&mut world, [Step::Run(Some(0)), Step::Wait(1_990)]).await;
    assert_eq!((world.opening(), alerts(&world)), (1, 0));
    steps(&mut world, [Step::Wait(250)]).await;
    assert_eq!((world.opening(), alerts(&world)), (0, 1));
    assert_eq!(closed_for(&world)[..1], [Reason::Error]);
    assert_eq!(world.seen().told[&1], "ERR_POOL_CONNECT");
}

#[tokio::test(start_paused = true)]
async fn what_never_says_that_it_is_closed_is_given_up_and_may_say_so_later() {
    let mut world = World::tuned(1, free(), watched);
    let use_it = [Step::Hold(Some(0)), Step::Open(0), Step::Discard(0)];
    steps(&mut world, use_it).await;
    assert_eq!(world.engine.gauges().unusable, 1);
    let stuck = world.seen().open.values().next().cloned().unwrap();
    world.seen().closing.clear();
    steps(&mut world, [Step::Wait(2_250)]).await;
    assert_eq!((alerts(&world), world.engine.gauges().unusable), (0, 1));
    assert!(!world.seen().closing.is_empty() || alerts(&world) == 0);
    tokio::time::sleep(ms(400)).await;
    assert_eq!(world.seen().closing.len(), 1, "it was told once more to close");
    assert_eq!((alerts(&world), world.engine.gauges().total()), (1, 0));
    // Its slot holds something else by the time it says so.
    world.seen().open.remove(&stuck.id);
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0)]).await;
    world.engine.ended(stuck.slot, stuck.id, None);
    assert_eq!(world.engine.gauges().in_use, 1);
    assert_eq!(closed_for(&world), [Reason::Discarded]);
}

#[tokio::test(start_paused = true)]
async fn a_pool_closes_though_what_it_had_open_never_says_that_it_is_closed() {
    let mut world = World::tuned(1, free(), watched);
    steps(&mut world, [Step::Hold(Some(0)), Step::Open(0), Step::Close]).await;
    tokio::time::sleep(ms(5_000)).await;
    assert_eq!(world.engine.state(), "closed");
    assert_eq!(alerts(&world), 1);
}
