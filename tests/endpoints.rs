//! Several endpoints, and endpoints that fail: who goes where, what is tried, what callers are
//! told.

mod support {
    pub mod scene;
}

use std::time::Duration;

use blender_pool::fault::Code;
use blender_pool::pool::backoff::Backoff;
use blender_pool::pool::event::Name;
use blender_pool::pool::settings::Settings;
use blender_pool::pool::{Ask, Habits, Kind};
use support::scene::{MS, Place, Scene, Told, pass, settle};

fn settings() -> Settings {
    Settings {
        max_slots: 10,
        backoff: Backoff { base: MS * 100, max: MS * 30_000 },
        ..Settings::default()
    }
}

/// Chance, the same every time.
fn scene(settings: Settings, places: Vec<Place>) -> Scene {
    fastrand::seed(11);
    Scene::new(settings, places)
}

fn run() -> Ask {
    Ask::new(Kind::Run)
}

fn hold() -> Ask {
    Ask::new(Kind::Hold)
}

fn affine(key: u64) -> Ask {
    Ask { affinity: Some(key), ..run() }
}

// Spikes.

#[tokio::test(start_paused = true)]
async fn a_spike_that_what_is_open_serves_quickly_opens_one_more_and_no_further() {
    let place = Place { connect: MS * 150, ..Place::default() };
    let mut scene = scene(Settings { max_slots: 50, ..settings() }, vec![place]);
    let warm: Vec<u64> = (0..5).map(|_| scene.ask(hold())).collect();
    pass(MS * 1_000).await;
    warm.iter().for_each(|caller| scene.release(*caller));
    settle().await;
    assert_eq!(scene.place(0).open, 5);

    scene.hold_for(MS * 2);
    let began = tokio::time::Instant::now();
    let spike: Vec<u64> = (0..50).map(|_| scene.ask(hold())).collect();
    pass(MS * 1_000).await;
    let took = spike.iter().map(|caller| scene.told_at(*caller).unwrap() - began).max().unwrap();
    assert!(took <= MS * 24, "the last of them waited {took:?}");
    let place = scene.place(0);
    assert!(place.most_open <= 6 && place.attempts.len() <= 6, "{place:?}");
}

#[tokio::test(start_paused = true)]
async fn a_spike_that_nothing_turns_over_opens_as_many_at_once_as_the_endpoint_bears() {
    let place = Place { connect: MS * 150, ..Place::default() };
    let mut scene = scene(settings(), vec![place]);
    let first = scene.ask(hold());
    pass(MS * 200).await;
    assert!(matches!(scene.told(first), Some(Told::Holds(..))));
    let began = tokio::time::Instant::now();
    let spike: Vec<u64> = (0..4).map(|_| scene.ask(hold())).collect();
    pass(MS * 1_000).await;
    let took = spike.iter().map(|caller| scene.told_at(*caller).unwrap() - began).max().unwrap();
    assert!(took <= MS * 302, "{took:?} for two by two");
    assert_eq!(scene.place(0).most_trying, 2);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_stops_moving_gets_more_than_one_opened_without_anybody_asking() {
    let place = Place { connect: MS * 100, ..Place::default() };
    let mut scene = scene(settings(), vec![place]);
    let first = scene.ask(hold());
    pass(MS * 200).await;
    scene.release(first);
    settle().await;
    let began = tokio::time::Instant::now();
    // The first of them gets what is open, and keeps it.
    for _ in 0..3 {
        scene.ask(hold());
    }
    pass(MS * 50).await;
    let attempts = scene.place(0).attempts;
    assert_eq!(attempts.len(), 3);
    assert!((MS * 25..MS * 30).contains(&(attempts[2] - began)), "{:?}", attempts[2] - began);
}

// The breaker.

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_with_five_waiters_is_tried_ten_times_in_two_seconds_at_most() {
    for seed in 0..50 {
        fastrand::seed(seed);
        let mut scene = Scene::new(settings(), vec![Place::down()]);
        let waiters: Vec<u64> = (0..5).map(|_| scene.ask(run())).collect();
        pass(MS * 2_000).await;
        let place = scene.place(0);
        assert!((2..=10).contains(&place.attempts.len()), "{}", place.attempts.len());
        pass(MS * 1_500).await;
        for waiter in waiters {
            assert_eq!(scene.fault(waiter).code(), Code::Connect);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_endpoint_fails_one_attempt_at_a_time_is_made_there() {
    let place = Place { connect: MS * 50, ..Place::down() };
    let mut scene = scene(settings(), vec![place]);
    for _ in 0..5 {
        scene.ask(hold());
    }
    pass(MS * 60).await;
    scene.change(0, |place| place.most_trying = place.trying);
    for _ in 0..100 {
        scene.ask(hold());
        scene.ask(run());
        pass(MS * 20).await;
    }
    assert_eq!(scene.place(0).most_trying, 1);
}

#[tokio::test(start_paused = true)]
async fn callers_ride_out_a_restart_whenever_they_came() {
    let mut scene = scene(settings(), vec![Place::down()]);
    let mut callers = Vec::new();
    for _ in 0..25 {
        callers.push(scene.ask(run()));
        pass(MS * 100).await;
    }
    scene.change(0, |place| place.up = true);
    // However long the pauses have become, the last try is made when patience is over.
    pass(MS * 600).await;
    for caller in callers {
        assert_eq!(scene.endpoint(caller), 0);
    }
    let told = (scene.events(Name::EndpointDown).len(), scene.events(Name::EndpointUp).len());
    assert_eq!(told, (1, 1), "each transition is told once");
}

/// An endpoint that has been down for ten seconds.
async fn long_dead(places: Vec<Place>, settings: Settings) -> Scene {
    let count = places.len();
    let mut scene = scene(settings, places);
    for at in 0..count {
        scene.ask(run().at(Some(at)));
    }
    pass(MS * 10_000).await;
    scene
}

#[tokio::test(start_paused = true)]
async fn a_caller_after_a_long_outage_gets_a_live_try_and_is_told_as_soon_as_that_fails() {
    let mut scene = long_dead(vec![Place::down()], settings()).await;
    let (attempts, asked) = (scene.place(0).attempts.len(), tokio::time::Instant::now());
    let caller = scene.ask(run());
    pass(MS * 50).await;
    assert_eq!(scene.place(0).attempts.len(), attempts + 1);
    assert_eq!(scene.fault(caller).code(), Code::Connect);
    assert!(scene.told_at(caller).unwrap() - asked < MS * 5);
}

#[tokio::test(start_paused = true)]
async fn a_caller_after_a_long_outage_is_served_when_it_is_over() {
    let mut scene = long_dead(vec![Place::down()], settings()).await;
    scene.change(0, |place| place.up = true);
    let caller = scene.ask(run());
    pass(MS * 5).await;
    assert_eq!(scene.endpoint(caller), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_right_after_a_failed_try_waits_for_the_next_and_no_longer() {
    let mut scene = long_dead(vec![Place::down()], settings()).await;
    let first = scene.ask(run());
    pass(MS * 5).await;
    let asked = tokio::time::Instant::now();
    let next = scene.ask(run());
    pass(MS * 200).await;
    assert_eq!([first, next].map(|caller| scene.fault(caller).code()), [Code::Connect; 2]);
    assert!((MS * 90..MS * 105).contains(&(scene.told_at(next).unwrap() - asked)));
}

/// Where an endpoint that fails is left alone for an hour.
fn unhurried() -> Settings {
    let hour = Duration::from_secs(3_600);
    Settings { backoff: Backoff { base: hour, max: hour }, ..settings() }
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_refused_at_once_with_the_real_cause_where_no_try_is_due_soon() {
    let mut scene = long_dead(vec![Place::down()], unhurried()).await;
    let attempts = scene.place(0).attempts.len();
    let caller = scene.ask(run());
    let fault = scene.fault(caller);
    assert_eq!((fault.code(), fault.is_retryable()), (Code::EndpointDown, true));
    assert!(fault.message().contains("a is down"), "{}", fault.message());
    assert!(fault.cause_of().unwrap().message.contains("refused"));
    let told = scene.events(Name::CheckOutFailed).len();
    assert_eq!(told, 2, "both callers were told of");
    pass(MS * 50).await;
    assert_eq!(scene.place(0).attempts.len(), attempts);
}

#[tokio::test(start_paused = true)]
async fn many_callers_of_a_dead_endpoint_try_it_no_faster_than_the_first_pause() {
    let mut scene = long_dead(vec![Place::down()], settings()).await;
    let before = scene.place(0).attempts.len();
    for _ in 0..1_000 {
        scene.ask(run());
        pass(MS).await;
    }
    let tries = scene.place(0).attempts.len() - before;
    assert!((9..=20).contains(&tries), "{tries} tries in a second");
}

#[tokio::test(start_paused = true)]
async fn the_minimum_is_filled_at_the_pace_of_the_backoff_while_the_endpoint_fails() {
    let kept = Settings { min_slots: 5, upkeep_interval: Some(MS * 10), ..settings() };
    let place = Place { connect: MS * 10, ..Place::down() };
    let scene = scene(kept, vec![place]);
    scene.engine.begin();
    pass(MS * 11).await;
    scene.change(0, |place| place.most_trying = place.trying);
    pass(MS * 20_000).await;
    let place = scene.place(0);
    assert!((4..=16).contains(&place.attempts.len()), "{} attempts", place.attempts.len());
    assert!(place.most_trying <= 1);
    scene.change(0, |place| place.up = true);
    pass(MS * 60_000).await;
    assert_eq!(scene.place(0).open, 5);
}

#[tokio::test(start_paused = true)]
async fn with_all_endpoints_down_each_is_tried_before_a_caller_is_refused_and_each_is_named() {
    let mut scene = long_dead(vec![Place::down(), Place::down()], settings()).await;
    let before = [0, 1].map(|at| scene.place(at).attempts.len());
    let caller = scene.ask(run());
    pass(MS * 10).await;
    assert_eq!([0, 1].map(|at| scene.place(at).attempts.len() - before[at]), [1, 1]);
    let fault = scene.fault(caller);
    assert_eq!(fault.code(), Code::EndpointDown);
    for name in ["a: cannot connect", "b: cannot connect"] {
        assert!(fault.message().contains(name), "{}", fault.message());
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_keeps_nobody_from_another_that_works() {
    let hanging = Place { connect: MS * 5_000, ..Place::down() };
    let mut scene = scene(settings(), vec![hanging, Place::default()]);
    scene.ask(run().at(Some(0)));
    pass(MS * 5_200).await;
    scene.ask(run().at(Some(0)));
    assert_eq!(scene.place(0).trying, 1, "a probe goes on");
    let caller = scene.ask(run());
    pass(MS * 10).await;
    assert_eq!(scene.endpoint(caller), 1);
}

// Choice.

#[tokio::test(start_paused = true)]
async fn callers_who_may_go_anywhere_never_go_where_nothing_works() {
    let mut scene = scene(settings(), vec![Place::default(), Place::down()]);
    scene.ask(run().at(Some(1)));
    pass(MS * 10).await;
    let callers: Vec<u64> = (0..100).map(|_| scene.ask(run())).collect();
    pass(MS * 500).await;
    assert!(callers.iter().all(|caller| scene.endpoint(*caller) == 0));
}

#[tokio::test(start_paused = true)]
async fn the_faster_of_two_endpoints_gets_more_of_the_callers() {
    let slow = Place { answer: MS * 40, ..Place::default() };
    let fast = Place { answer: MS * 10, ..Place::default() };
    let mut scene = scene(settings(), vec![slow, fast]);
    for at in [0, 1] {
        let warm: Vec<u64> = (0..5).map(|_| scene.ask(hold().at(Some(at)))).collect();
        pass(MS * 50).await;
        warm.iter().for_each(|caller| scene.release(*caller));
    }
    // With nothing else to do, the one that was faster of late is the better one every time.
    for at in [0, 1] {
        scene.ask(run().at(Some(at)));
    }
    for _ in 0..20 {
        pass(MS * 50).await;
        let caller = scene.ask(run());
        pass(MS * 50).await;
        assert_eq!(scene.endpoint(caller), 1);
    }
    let mut callers = Vec::new();
    for _ in 0..200 {
        callers.push(scene.ask(run()));
        pass(MS * 2).await;
    }
    pass(MS * 500).await;
    let slow = callers.iter().filter(|caller| scene.endpoint(**caller) == 0).count();
    assert!((1..60).contains(&slow), "{slow} of 200 went to the one that is four times slower");
}

#[tokio::test(start_paused = true)]
async fn one_that_was_slow_once_is_not_shunned_for_ever() {
    let mut scene = scene(settings(), vec![Place { answer: MS * 60_000, ..Place::default() }; 2]);
    scene.change(1, |place| place.answer = MS * 10);
    for at in [0, 1] {
        scene.ask(run().at(Some(at)));
    }
    pass(MS * 61_000).await;
    scene.change(0, |place| place.answer = MS * 10);
    let mut served = [0, 0];
    for _ in 0..300 {
        let caller = scene.ask(run());
        pass(MS * 1_000).await;
        served[scene.endpoint(caller)] += 1;
    }
    assert!(served[0] >= 3, "{served:?}");
}

// Affinity.

#[tokio::test(start_paused = true)]
async fn the_same_key_goes_to_the_same_endpoint() {
    let mut scene = scene(settings(), vec![Place::default(); 3]);
    let mut chosen = Vec::new();
    for key in 0..30 {
        let callers: Vec<u64> = (0..4).map(|_| scene.ask(affine(key))).collect();
        pass(MS * 20).await;
        let endpoints: Vec<usize> = callers.iter().map(|caller| scene.endpoint(*caller)).collect();
        assert!(endpoints.iter().all(|endpoint| *endpoint == endpoints[0]), "{endpoints:?}");
        chosen.push(endpoints[0]);
    }
    assert!((0..3).all(|at| chosen.contains(&at)), "{chosen:?}");
}

/// A key whose endpoint is `at`.
async fn key_of(scene: &mut Scene, at: usize) -> u64 {
    for key in 0.. {
        let caller = scene.ask(affine(key));
        pass(MS * 20).await;
        if scene.endpoint(caller) == at {
            return key;
        }
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn callers_move_on_when_their_endpoint_goes_down_and_return_when_it_is_back() {
    let few = Settings { max_slots: 6, ..settings() };
    let mut scene = scene(few, vec![Place::default(); 2]);
    let key = key_of(&mut scene, 0).await;
    // Everything at "a" is held while more wait for it; then it dies.
    let holders: Vec<u64> = (0..3).map(|_| scene.ask(hold().at(Some(0)))).collect();
    pass(MS * 20).await;
    scene.change(0, |place| place.up = false);
    holders.iter().for_each(|caller| scene.discard(*caller));
    settle().await;
    let waiting: Vec<u64> = (0..5).map(|_| scene.ask(affine(key))).collect();
    pass(MS * 100).await;
    assert!(waiting.iter().all(|caller| scene.endpoint(*caller) == 1));
    let while_down = scene.ask(affine(key));
    pass(MS * 20).await;
    assert_eq!(scene.endpoint(while_down), 1);

    scene.change(0, |place| place.up = true);
    // Nobody waits for "a", yet it is found to be back, since somebody would have gone there.
    pass(MS * 40_000).await;
    let back = scene.ask(affine(key));
    pass(MS * 20).await;
    assert_eq!(scene.endpoint(back), 0);
}

#[tokio::test(start_paused = true)]
async fn with_all_endpoints_down_affinity_asks_for_no_more_than_anybody() {
    let mut scene = scene(settings(), vec![Place::down(), Place::down()]);
    let caller = scene.ask(affine(1));
    pass(MS * 1_000).await;
    scene.change(0, |place| place.up = true);
    pass(MS * 2_500).await;
    assert_eq!(scene.endpoint(caller), 0, "whichever its key means");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_nobody_wants_is_left_alone_while_it_is_down() {
    let mut scene = scene(settings(), vec![Place::down(), Place::default()]);
    scene.ask(run().at(Some(0)));
    pass(MS * 10_000).await;
    let before = scene.place(0).attempts.len();
    pass(Duration::from_secs(3_600)).await;
    assert_eq!(scene.place(0).attempts.len(), before);
}

// Slots under one limit.

#[tokio::test(start_paused = true)]
async fn idle_slots_of_one_endpoint_give_way_to_callers_of_another_and_no_more_than_they_need() {
    let kept =
        Settings { max_slots: 4, min_slots: 4, upkeep_interval: Some(MS * 10), ..settings() };
    let least = Habits { min_slots: 1, ..Place::default().habits };
    let mut scene = scene(kept, vec![Place { habits: least, ..Place::default() }; 2]);
    scene.engine.begin();
    pass(MS * 100).await;
    let fillers: Vec<u64> = (0..4).map(|_| scene.ask(hold().at(Some(0)))).collect();
    pass(MS * 100).await;
    let got = fillers.iter().filter(|caller| scene.told(**caller).is_some()).count();
    assert_eq!(got, 4, "an idle one of the other gave way");
    fillers.iter().for_each(|caller| scene.release(*caller));
    pass(MS * 1_000).await;
    let opened = scene.engine.counters().created;

    let (one, other) = (scene.ask(hold().at(Some(1))), scene.ask(hold().at(Some(1))));
    pass(MS * 100).await;
    assert_eq!((scene.endpoint(one), scene.endpoint(other)), (1, 1));
    assert_eq!((scene.place(0).open, scene.place(1).open), (2, 2));
    pass(MS * 10_000).await;
    assert_eq!(scene.engine.counters().created, opened + 2, "nothing is opened to and fro");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_above_its_minimum_gives_way_before_one_that_is_not() {
    let least = Habits { min_slots: 1, ..Place::default().habits };
    let kept = Place { habits: least, ..Place::default() };
    let few = Settings { max_slots: 3, upkeep_interval: Some(MS * 10), ..settings() };
    let mut scene = scene(few, vec![kept, Place::default(), Place::default()]);
    scene.engine.begin();
    pass(MS * 100).await;
    let both: Vec<u64> = (0..2).map(|_| scene.ask(hold().at(Some(1)))).collect();
    pass(MS * 100).await;
    both.iter().for_each(|caller| scene.release(*caller));
    let opened = scene.engine.counters().created;
    let caller = scene.ask(run().at(Some(2)));
    pass(MS * 5_000).await;
    assert_eq!(scene.endpoint(caller), 2);
    assert_eq!([0, 1, 2].map(|at| scene.place(at).open), [1, 1, 1]);
    assert_eq!(scene.engine.counters().created, opened + 1);
}

#[tokio::test(start_paused = true)]
async fn what_works_gives_way_to_a_probe_at_the_pace_of_the_backoff_and_no_faster() {
    let busy = Habits { max_in_flight: 1, ..Place::default().habits };
    let works = Place { habits: busy, answer: MS * 500, ..Place::default() };
    let few = Settings { max_slots: 2, ..settings() };
    let mut scene = scene(few, vec![works, Place { habits: busy, ..Place::down() }]);
    let both: Vec<u64> = (0..2).map(|_| scene.ask(hold().at(Some(0)))).collect();
    pass(MS * 10).await;
    both.iter().for_each(|caller| scene.release(*caller));
    // "b" has been found to be down.
    let named = scene.ask(run().at(Some(1)));
    pass(MS * 10).await;
    scene.cancel(named);
    let both: Vec<u64> = (0..2).map(|_| scene.ask(hold().at(Some(0)))).collect();
    pass(MS * 10).await;
    both.iter().for_each(|caller| scene.release(*caller));
    assert_eq!(scene.place(0).open, 2);
    let before = scene.engine.counters().created;
    for _ in 0..4 {
        scene.ask(run());
    }
    pass(MS * 3_000).await;
    let more = scene.engine.counters().created - before;
    // Each probe costs an attempt there, and one to open what gave way again.
    assert!((1..=12).contains(&more), "{more} were opened");
    assert!(scene.place(0).open >= 1, "all that works gave way");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_back_gets_its_share_though_the_other_has_all_the_slots() {
    let few = Settings { max_slots: 3, ..settings() };
    let busy = Place { answer: MS * 5, ..Place::default() };
    let mut scene = scene(few, vec![busy, Place::down()]);
    let mut callers: Vec<u64> = (0..6).map(|_| scene.ask(run())).collect();
    pass(MS * 200).await;
    assert_eq!((scene.place(0).open, scene.place(1).open), (3, 0));
    scene.change(1, |place| place.up = true);
    // More than three wait at any time, so that nothing at "a" is ever idle.
    for _ in 0..4_000 {
        callers.extend((0..6).map(|_| scene.ask(run())));
        pass(MS * 10).await;
        if scene.place(1).open > 0 {
            break;
        }
    }
    assert!(scene.place(1).open > 0, "it was never tried again");
    assert!(scene.place(0).open > 0, "it took everything");
    pass(MS * 1_000).await;
    let refused =
        callers.iter().filter(|at| matches!(scene.told(**at), Some(Told::Failed(_)))).count();
    assert_eq!(refused, 0, "somebody paid for it");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_a_slot_gets_one_when_callers_wait_and_the_other_has_all() {
    let few = Settings { max_slots: 3, ..settings() };
    let busy = Place { answer: MS * 5, ..Place::default() };
    let mut scene = scene(few, vec![busy.clone(), busy]);
    let named: Vec<u64> = (0..3).map(|_| scene.ask(hold().at(Some(0)))).collect();
    pass(MS * 200).await;
    named.iter().for_each(|caller| scene.release(*caller));
    assert_eq!((scene.place(0).open, scene.place(1).open), (3, 0));
    for _ in 0..6 {
        scene.ask(run());
    }
    pass(MS * 200).await;
    assert_eq!((scene.place(0).open, scene.place(1).open), (2, 1));
}
