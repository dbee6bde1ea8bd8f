//! The engine against a model world: random steps, and after each of them what must never be.

mod support {
    pub mod make;
    pub mod rules;
    pub mod world;
}

use std::time::Duration;

use blender_pool::pool::settings::{HealthSettings, HookSettings};
use proptest::prelude::*;
use support::make::Seen;
use support::world::{Step, World};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..64usize;
    let endpoint = prop::option::weighted(0.2, 0..2usize);
    let step = prop_oneof![
        6 => endpoint.clone().prop_map(Step::Hold),
        8 => endpoint.prop_map(Step::Run),
        4 => at.clone().prop_map(Step::RunHeld),
        2 => Just(Step::TryHold),
        6 => at.clone().prop_map(Step::Release),
        1 => at.clone().prop_map(Step::ReleaseTwice),
        2 => at.clone().prop_map(Step::Discard),
        3 => at.clone().prop_map(Step::Cancel),
        10 => at.clone().prop_map(Step::Open),
        1 => at.clone().prop_map(Step::OpenDead),
        3 => at.clone().prop_map(Step::FailToOpen),
        10 => at.clone().prop_map(Step::Finish),
        2 => at.clone().prop_map(Step::Break),
        2 => at.clone().prop_map(Step::Die),
        1 => at.clone().prop_map(Step::Unsent),
        8 => at.prop_map(Step::End),
        2 => (1..400u64).prop_map(Step::Wait),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 1..120)
}

/// Those, and everything that happens beside callers' jobs.
fn all_steps() -> impl Strategy<Value = Vec<Step>> {
    let at = 0..64usize;
    let size = 1..5u32;
    let step = prop_oneof![
        12 => at.clone().prop_map(Step::Answer),
        1 => at.clone().prop_map(Step::AnswerUnfit),
        1 => at.clone().prop_map(Step::BreakCheck),
        1 => at.clone().prop_map(Step::UnsentCheck),
        1 => Just(Step::CheckHealth),
        16 => at.clone().prop_map(Step::HookDone),
        1 => at.clone().prop_map(Step::HookFails),
        3 => at.clone().prop_map(Step::RunInHook),
        1 => at.clone().prop_map(Step::MisuseHook),
        2 => at.clone().prop_map(Step::Recycle),
        1 => at.prop_map(Step::Reclaim),
        1 => Just(Step::Pause),
        6 => Just(Step::Ready),
        1 => (prop::option::weighted(0.8, 0..2usize), any::<bool>())
            .prop_map(|(at, interrupt)| Step::Clear(at, interrupt)),
        1 => (size.clone(), size).prop_map(|(min, max)| Step::Resize(min, max)),
        1 => Just(Step::Warm),
        1 => Just(Step::Begin),
        8 => (1..120u64).prop_map(Step::Wait),
    ];
    // One in two is a caller's; in one world of four the pool is closed on the way.
    let both = (steps(), prop::collection::vec(step, 1..120), any::<u64>());
    both.prop_map(|(mut one, two, mut seed)| {
        one.retain(|step| !matches!(step, Step::Close) || seed % 4 == 0);
        let (mut one, mut two) = (one.into_iter(), two.into_iter());
        let take = || {
            seed = seed.rotate_left(1);
            if seed & 1 == 0 { one.next() } else { two.next() }
        };
        std::iter::from_fn(take).collect()
    })
}

/// A world in which slots are checked, grow old, are kept filled, and go through user code.
fn whole_world(max: u32, seen: Seen) -> World {
    let ms = Duration::from_millis;
    World::tuned(max, seen, |settings| {
        settings.min_slots = 1;
        settings.max_uses = 7;
        settings.idle_timeout = Some(ms(800));
        settings.max_lifetime = Some(ms(1_500));
        settings.upkeep_interval = Some(ms(100));
        // Here what is cut ends when a step says so; the watchdog is not to wonder.
        settings.drain_timeout = Duration::from_secs(600);
        settings.health = HealthSettings {
            interval: Some(ms(200)),
            timeout: ms(100),
            failures: 2,
            concurrency: 2,
        };
        settings.hooks = HookSettings { on_connect: true, on_release: true, timeout: ms(400) };
    })
}

fn run(world_of: impl FnOnce() -> World, steps: Vec<Step>, close: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = world_of();
        world.mixed = true;
        for step in steps {
            world.step(step).await;
            world.check();
        }
        world.come_to_rest(close).await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_caller_is_told_once_and_no_slot_is_lost(steps in steps(), close in any::<bool>()) {
        run(|| World::new(3, usize::MAX, false), steps, close);
    }

    #[test]
    fn one_job_at_a_time_where_the_endpoint_bears_no_more(steps in steps(), close in any::<bool>()) {
        run(|| World::new(3, 1, false), steps, close);
    }

    #[test]
    fn nothing_is_opened_or_closed_while_a_job_runs_on_a_quiet_endpoint(steps in steps(), close in any::<bool>()) {
        run(|| World::new(3, 1, true), steps, close);
    }

    #[test]
    fn one_slot_serves_everybody(steps in steps(), close in any::<bool>()) {
        run(|| World::new(1, 1, true), steps, close);
    }

    #[test]
    fn checks_hooks_and_limits_of_age_lose_nobody(steps in all_steps(), close in any::<bool>()) {
        let seen = Seen { per_endpoint: usize::MAX, ..Seen::default() };
        run(|| whole_world(3, seen), steps, close);
    }

    #[test]
    fn checks_and_hooks_take_their_turn_on_a_quiet_endpoint(steps in all_steps(), close in any::<bool>()) {
        let seen = Seen { per_endpoint: 1, quiet: true, ..Seen::default() };
        run(|| whole_world(3, seen), steps, close);
    }

    #[test]
    fn checks_and_hooks_run_where_slots_hold_nothing_between_jobs(steps in all_steps(), close in any::<bool>()) {
        let seen = Seen { per_endpoint: 1, per_job: true, ..Seen::default() };
        run(|| whole_world(3, seen), steps, close);
    }

    #[test]
    fn checks_and_hooks_share_one_slot(steps in all_steps(), close in any::<bool>()) {
        let seen = Seen { per_endpoint: 2, ..Seen::default() };
        run(|| whole_world(1, seen), steps, close);
    }
}

#[test]
fn what_ended_before_it_was_known_to_be_open_costs_no_slot() {
    let steps = vec![Step::Run(None), Step::OpenDead(0), Step::Wait(20), Step::Run(None)];
    run(|| World::new(1, 1, false), steps, false);
}

#[test]
fn a_job_that_could_not_be_sent_is_told_so_when_the_pool_closes_meanwhile() {
    let steps = vec![Step::Run(None), Step::Open(0), Step::Close, Step::Unsent(0), Step::Wait(60)];
    run(|| World::new(1, 1, false), steps, true);
}

#[test]
fn a_queue_of_any_length_that_can_never_run_is_refused() {
    let steps = vec![Step::Run(None); 20_000].into_iter().chain([Step::Open(0)]).collect();
    let world = || {
        let world = World::lasting(1, 1, false, u64::MAX);
        world.refuse_to_run();
        world
    };
    run(world, steps, true);
}

#[tokio::test(start_paused = true)]
async fn a_holders_job_does_not_wait_for_what_is_opened_elsewhere() {
    let mut world = World::new(3, 1, true);
    for step in [Step::Hold(Some(0)), Step::Open(0), Step::Run(None), Step::RunHeld(0)] {
        world.step(step).await;
    }
    assert_eq!(world.running(), 1, "the endpoint it holds has nothing else to do");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_opening_for_a_pool_that_closed_as_it_began() {
    let mut world = World::new(1, 1, false);
    world.close_on_open();
    world.step(Step::Run(None)).await;
    assert_eq!(world.opening(), 0);
}
