//! Who is served before whom, who is turned away while they wait, and what is told about it.

mod support {
    pub mod scene;
}

use std::time::Duration;

use blender_pool::fault::Code;
use blender_pool::pool::event::{Event, Failed, Name, Observed, Severity};
use blender_pool::pool::line::AGEING;
use blender_pool::pool::settings::{AlertSettings, CodelSettings, Settings};
use blender_pool::pool::{Ask, Kind};
use support::scene::{MS, Place, Scene, Told, pass, settle};

fn one_slot() -> Settings {
    Settings { max_slots: 1, ..Settings::default() }
}

fn run(priority: i32) -> Ask {
    Ask { priority, ..Ask::new(Kind::Run) }
}

fn hold(priority: i32) -> Ask {
    Ask { priority, ..Ask::new(Kind::Hold) }
}

/// A pool whose only slot is held.
async fn taken(settings: Settings, places: Vec<Place>) -> (Scene, u64) {
    let mut scene = Scene::new(settings, places);
    let holder = scene.ask(hold(0).at(Some(0)));
    pass(MS * 10).await;
    assert!(matches!(scene.told(holder), Some(Told::Holds(..))));
    (scene, holder)
}

// Priorities.

#[tokio::test(start_paused = true)]
async fn holders_and_jobs_are_served_by_priority_and_within_one_in_their_order() {
    let (mut scene, holder) = taken(one_slot(), vec![Place::default()]).await;
    let (low, usual, also) = (scene.ask(run(-1)), scene.ask(run(0)), scene.ask(run(0)));
    let (high, higher, named) =
        (scene.ask(run(5)), scene.ask(hold(100)), scene.ask(run(5).at(Some(0))));
    scene.release(holder);
    settle().await;
    scene.release(higher);
    pass(MS * 100).await;
    assert_eq!(scene.served(), [holder, higher, high, named, usual, also, low]);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_names_an_endpoint_is_not_starved_by_higher_ones_who_go_anywhere() {
    let (mut scene, holder) = taken(one_slot(), vec![Place::default()]).await;
    let low = scene.ask(run(-100).at(Some(0)));
    // There are always more of them than can be served.
    for _ in 0..3 {
        scene.ask(run(100));
    }
    scene.release(holder);
    for _ in 0..30 {
        scene.ask(run(100));
        pass(MS).await;
    }
    let place = scene.served().iter().position(|served| *served == low);
    assert_eq!(place, Some(AGEING as usize + 1), "after the holder and those who may pass");
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_the_bounded_number_of_services_whatever_else_comes() {
    /// Lines that share a slot: holds and jobs, named and not, and the turns of holders.
    const LINES: u64 = 5;
    for seed in 0..20 {
        fastrand::seed(seed);
        let (mut scene, holder) = taken(one_slot(), vec![Place::default()]).await;
        scene.hold_for(MS);
        let mut asked = Vec::new();
        let mut ask = |scene: &mut Scene| {
            let kind = if fastrand::bool() { Kind::Hold } else { Kind::Run };
            let endpoint = fastrand::bool().then_some(0);
            let ask = Ask { kind, endpoint, ..run(fastrand::i32(-3..=3)) };
            let (older, services) =
                (scene.engine.gauges().waiting as u64, scene.served().len() as u64);
            asked.push((scene.ask(ask), older, services));
        };
        (0..10).for_each(|_| ask(&mut scene));
        scene.release(holder);
        for _ in 0..200 {
            ask(&mut scene);
            pass(MS).await;
        }
        pass(MS * 1_000).await;
        let served = scene.served();
        for (caller, older, services) in asked {
            let place = served.iter().position(|served| *served == caller).unwrap() as u64;
            let bound = (older + 1) * (u64::from(AGEING) + LINES);
            assert!(place - services <= bound, "{caller} waited {} services", place - services);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_comes_back_takes_its_old_place_within_its_priority() {
    let (mut scene, holder) = taken(one_slot(), vec![Place::default()]).await;
    let (first, second) = (scene.ask(run(0)), scene.ask(run(0)));
    scene.change(0, |place| place.dead = 1);
    scene.release(holder);
    // The first was started and came back; another of its priority and a higher one have come.
    let (third, high) = (scene.ask(run(0)), scene.ask(run(1)));
    pass(MS * 50).await;
    assert_eq!(scene.place(0).attempts.len(), 2);
    assert_eq!(scene.served(), [holder, high, first, second, third]);
}

// Waiting that has become pointless.

fn codel() -> Settings {
    let codel = Some(CodelSettings { target: MS * 20, interval: MS * 100 });
    Settings { codel, ..one_slot() }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_never_drains_is_cut_until_waits_are_short_again() {
    let slow = Place { answer: MS * 10, ..Place::default() };
    let (mut scene, holder) = taken(codel(), vec![slow]).await;
    scene.release(holder);
    let mut callers = Vec::new();
    // Twice as many as can be served.
    for _ in 0..400 {
        callers.push(scene.ask(run(0)));
        pass(MS * 5).await;
    }
    pass(MS * 10_000).await;
    let dropped: Vec<u64> = callers
        .iter()
        .copied()
        .filter(|caller| matches!(scene.told(*caller), Some(Told::Failed(_))))
        .collect();
    assert!(dropped.len() > 50, "{} were dropped", dropped.len());
    assert_eq!(scene.engine.counters().dropped, dropped.len() as u64);
    let fault = scene.fault(dropped[0]);
    assert_eq!((fault.code(), fault.is_retryable()), (Code::QueueFull, true));
    assert!(fault.message().contains("queueTargetMs (20 ms)"), "{}", fault.message());
    let told = scene.events(Name::CheckOutFailed);
    assert_eq!(told.len(), dropped.len());
    assert!(
        told.iter()
            .all(|event| matches!(event, Event::CheckOutFailed { reason: Failed::QueueFull, .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_drains_costs_nobody_its_place() {
    let (mut scene, holder) = taken(codel(), vec![Place::default()]).await;
    scene.release(holder);
    for _ in 0..20 {
        (0..50).for_each(|_| assert!(scene.ask(run(0)) > 0));
        pass(MS * 100).await;
    }
    assert_eq!(scene.engine.counters().dropped, 0);
    assert_eq!(scene.engine.counters().commands, 1_000);
}

// Alerts.

fn watched(alerts: AlertSettings) -> Settings {
    Settings { alerts, upkeep_interval: Some(MS * 100), ..one_slot() }
}

/// Metric, severity, value and threshold of each alert.
fn alerts(scene: &Scene) -> Vec<(&'static str, Severity, u64, u64)> {
    let alert = |event: Event| match event {
        Event::Alert { severity, metric, value, threshold, message, .. } => {
            assert!(!message.is_empty());
            (metric, severity, value as u64, threshold as u64)
        }
        other => panic!("{other:?} is no alert"),
    };
    scene.events(Name::Alert).into_iter().map(alert).collect()
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_grows_long_is_told_of_once_until_it_has_been_short() {
    let deep = AlertSettings { queue_depth: 10, ..AlertSettings::default() };
    let (mut scene, holder) = taken(watched(deep), vec![Place::default()]).await;
    let mut callers: Vec<u64> = (0..12).map(|_| scene.ask(run(0))).collect();
    assert_eq!(alerts(&scene), [("queueDepth", Severity::Info, 10, 10)]);
    // Down to nine and up again: that is no news.
    callers.drain(..3).for_each(|caller| scene.cancel(caller));
    pass(MS * 150).await;
    callers.extend((0..3).map(|_| scene.ask(run(0))));
    pass(MS * 150).await;
    assert_eq!(alerts(&scene).len(), 1);
    scene.release(holder);
    pass(MS * 500).await;
    let _holds = scene.ask(hold(0));
    (0..10).for_each(|_| assert!(scene.ask(run(0)) > 0));
    assert_eq!(alerts(&scene).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_told_of_once_a_second_at_most() {
    let slow = AlertSettings { wait: MS * 200, ..AlertSettings::default() };
    let place = Place { answer: MS * 100, ..Place::default() };
    let (mut scene, holder) = taken(watched(slow), vec![place]).await;
    (0..22).for_each(|_| assert!(scene.ask(run(0)) > 0));
    scene.release(holder);
    pass(MS * 2_500).await;
    let told = alerts(&scene);
    let waits: Vec<u64> = told.iter().map(|(.., value, _)| *value).collect();
    assert_eq!(waits, [200, 1_200], "{told:?}");
    assert!(told.iter().all(|(metric, severity, _, threshold)| {
        (*metric, *severity, *threshold) == ("waitMs", Severity::Warning, 200)
    }));
}

#[tokio::test(start_paused = true)]
async fn too_much_in_use_and_too_long_a_wait_are_told_of_once_each() {
    let limits =
        AlertSettings { use_percent: 90, oldest_wait: MS * 1_000, ..AlertSettings::default() };
    let (mut scene, _holder) = taken(watched(limits), vec![Place::default()]).await;
    scene.ask(run(0));
    pass(MS * 900).await;
    assert_eq!(alerts(&scene), [("usePercent", Severity::Warning, 100, 90)]);
    pass(MS * 5_000).await;
    let told = alerts(&scene);
    assert_eq!(told.len(), 2);
    let (metric, severity, value, threshold) = told[1];
    assert_eq!((metric, severity, threshold), ("oldestWaitMs", Severity::Critical, 1_000));
    assert!((1_000..1_200).contains(&value), "{value}");
}

#[tokio::test(start_paused = true)]
async fn who_listens_late_still_hears_of_what_lasts_and_without_thresholds_nothing_is_told() {
    let limits = AlertSettings { use_percent: 90, ..AlertSettings::default() };
    let (scene, _holder) = taken(watched(limits), vec![Place::default()]).await;
    scene.engine.observe(Observed::default());
    pass(MS * 500).await;
    assert_eq!(alerts(&scene).len(), 0);
    scene.engine.observe(Observed::ALL);
    pass(MS * 150).await;
    assert_eq!(alerts(&scene).len(), 1);

    let (mut scene, _holder) =
        taken(watched(AlertSettings::default()), vec![Place::default()]).await;
    (0..100).for_each(|_| assert!(scene.ask(run(0)) > 0));
    pass(Duration::from_secs(20)).await;
    assert_eq!(alerts(&scene).len(), 0);
}
