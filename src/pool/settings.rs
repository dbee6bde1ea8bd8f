//! The engine's own settings: the options that concern slots, whatever they hold.

use std::time::Duration;

use super::backoff::Backoff;

/// See the option table for the meaning, the units and the ranges.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Slots kept filled.
    pub min_slots: u32,
    /// Slots, 1 to [`MAX_SLOTS`](super::table::MAX_SLOTS).
    pub max_slots: u32,
    /// Whether the pool waits to be made ready.
    pub start_paused: bool,
    /// Requests that may wait for a slot; `usize::MAX`: any number.
    pub max_waiting: usize,
    /// How long a request waits for a slot.
    pub acquire_timeout: Duration,
    /// How long a job may run.
    pub job_timeout: Duration,
    /// How long a cut job may finish its reply.
    pub drain_timeout: Duration,
    /// How long one attempt to open may take, user code not included; for the watchdog.
    pub open_timeout: Duration,
    /// How long a request puts up with failing attempts to open something for it.
    pub patience: Duration,
    /// Between failing attempts.
    pub backoff: Backoff,
    /// A slot is emptied after this many uses.
    pub max_uses: u64,
    /// A slot that nobody used for so long is emptied.
    pub idle_timeout: Option<Duration>,
    /// A slot is emptied when what it holds is older, less a jitter of up to a tenth.
    pub max_lifetime: Option<Duration>,
    /// How often the keeper looks for what is too old, too few or stuck.
    pub upkeep_interval: Option<Duration>,
    /// Which of several idle slots is given out.
    pub idle_order: IdleOrder,
    /// How idle slots are checked.
    pub health: HealthSettings,
    /// Which hooks there are.
    pub hooks: HookSettings,
    /// A holder that keeps a slot for longer is reported.
    pub leak_threshold: Option<Duration>,
    /// When waiting callers are dropped.
    pub codel: Option<CodelSettings>,
    /// When to raise an alert.
    pub alerts: AlertSettings,
}

/// Which of several idle slots is given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdleOrder {
    /// The one used last: the others get a chance to grow old and leave.
    #[default]
    Lifo,
    /// The one used longest ago: all get the same share.
    Fifo,
}

/// How idle slots are checked.
#[derive(Clone, Copy, Debug)]
pub struct HealthSettings {
    /// Between rounds; `None`: no rounds.
    pub interval: Option<Duration>,
    /// For one check.
    pub timeout: Duration,
    /// Failures in a row after which a slot is emptied.
    pub failures: u32,
    /// Checks at the same time, and slots in one round.
    pub concurrency: usize,
}

/// Which hooks there are, and how long one may take.
#[derive(Clone, Copy, Debug)]
pub struct HookSettings {
    /// User code runs on what was opened before it is given out.
    pub on_connect: bool,
    /// User code runs on what a holder gave back before it is given out again.
    pub on_release: bool,
    /// For one hook.
    pub timeout: Duration,
}

/// When waiting callers are dropped (CoDel: Nichols and Jacobson, "Controlling Queue Delay", 2012).
#[derive(Clone, Copy, Debug)]
pub struct CodelSettings {
    /// The wait that is acceptable at all times.
    pub target: Duration,
    /// For how long it may be longer.
    pub interval: Duration,
}

/// From which value on an alert is raised. A zero: never.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertSettings {
    /// Callers that wait.
    pub queue_depth: usize,
    /// How long a caller waited that got its slot.
    pub wait: Duration,
    /// Slots in use, in percent.
    pub use_percent: u32,
    /// Failed checks in a row at one endpoint.
    pub failed_checks: u32,
    /// How long a caller has been waiting.
    pub oldest_wait: Duration,
}

impl Default for Settings {
    /// What the option table says where nothing is said, but for rounds and upkeep: tests ask for
    /// those they want.
    fn default() -> Self {
        Settings {
            min_slots: 0,
            max_slots: 5,
            start_paused: false,
            max_waiting: usize::MAX,
            acquire_timeout: Duration::from_secs(30),
            job_timeout: Duration::from_secs(180),
            drain_timeout: Duration::from_secs(5),
            open_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(3),
            backoff: Backoff { base: Duration::from_millis(100), max: Duration::from_secs(30) },
            max_uses: u64::MAX,
            idle_timeout: None,
            max_lifetime: None,
            upkeep_interval: None,
            idle_order: IdleOrder::Lifo,
            health: HealthSettings {
                interval: None,
                timeout: Duration::from_secs(5),
                failures: 3,
                concurrency: 32,
            },
            hooks: HookSettings {
                on_connect: false,
                on_release: false,
                timeout: Duration::from_secs(10),
            },
            leak_threshold: None,
            codel: None,
            alerts: AlertSettings::default(),
        }
    }
}
