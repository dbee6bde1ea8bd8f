//! The engine's own settings: the options that concern slots, whatever they hold.

use std::time::Duration;

use super::backoff::Backoff;
use super::options::endpoint::refuse;
use super::options::given::Given;
use super::rate::Window;
use crate::fault::Fault;

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
    /// For how long a slot that is idle is trusted; past it, it is checked before a holder gets it.
    /// `None`: for ever.
    pub vet_after: Option<Duration>,
    /// Which hooks there are.
    pub hooks: HookSettings,
    /// A holder that keeps a slot for longer is reported.
    pub leak_threshold: Option<Duration>,
    /// When waiting callers are dropped.
    pub codel: Option<CodelSettings>,
    /// How often a slot may be given to a holder, each window of which must allow it. `None`: as
    /// often as there is a slot, and nobody counts.
    pub rate: Option<Vec<Window>>,
    /// When to raise an alert.
    pub alerts: AlertSettings,
}

impl Settings {
    /// What a pool with slots is told.
    ///
    /// # Errors
    /// [`Code::InvalidOption`](crate::fault::Code::InvalidOption) for what is out of range or
    /// contradicts itself.
    pub(super) fn read(given: &Given) -> Result<Self, Fault> {
        let (base, max) = (given.millis("retryBackoffMs")?, given.millis("maxRetryBackoffMs")?);
        if base > max {
            return Err(refuse(
                "retryBackoffMs",
                base.as_millis() as u64,
                &format!("is more than maxRetryBackoffMs ({})", max.as_millis()),
            ));
        }
        let (min_slots, max_slots) =
            (given.count("minConnections")?, given.count("maxConnections")?);
        if min_slots > max_slots {
            return Err(refuse(
                "minConnections",
                min_slots,
                &format!("is more than maxConnections ({max_slots})"),
            ));
        }
        let interval = given.millis("queueIntervalMs")?;
        let target = given.some_millis("queueTargetMs")?;
        Ok(Settings {
            min_slots,
            max_slots,
            start_paused: given.choice("start")? == "paused",
            max_waiting: given.size("maxWaiting")?.unwrap_or(usize::MAX),
            acquire_timeout: given.millis("acquireTimeoutMs")?,
            drain_timeout: given.millis("drainTimeoutMs")?,
            // Finding out the dialect, dialling and the ping each stay within it.
            open_timeout: given.millis("connectTimeoutMs")? * 3,
            patience: given.millis("connectRetryMs")?,
            backoff: Backoff { base, max },
            max_uses: given.number("maxUses")?.unwrap_or(u64::MAX),
            idle_timeout: given.some_millis("idleTimeoutMs")?,
            max_lifetime: given.some_millis("maxLifetimeMs")?,
            upkeep_interval: given.some_millis("maintenanceIntervalMs")?,
            idle_order: match given.choice("idleOrder")? {
                "fifo" => IdleOrder::Fifo,
                _ => IdleOrder::Lifo,
            },
            health: HealthSettings {
                interval: given.some_millis("healthCheckIntervalMs")?,
                timeout: given.millis("healthCheckTimeoutMs")?,
                failures: given.count("healthCheckFailures")?,
                concurrency: given.count("healthCheckConcurrency")? as usize,
            },
            hooks: HookSettings {
                on_connect: given.flag("onConnect")?,
                on_release: given.flag("onRelease")?,
                timeout: given.millis("hookTimeoutMs")?,
            },
            leak_threshold: given.some_millis("leakThresholdMs")?,
            codel: target.map(|target| CodelSettings { target, interval }),
            alerts: AlertSettings {
                queue_depth: given.count("alertQueueDepth")? as usize,
                wait: given.millis("alertWaitMs")?,
                use_percent: given.count("alertUsePercent")?,
                failed_checks: given.count("alertFailedChecks")?,
                oldest_wait: given.millis("alertOldestWaitMs")?,
            },
            ..Settings::default()
        })
    }
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
            vet_after: None,
            hooks: HookSettings {
                on_connect: false,
                on_release: false,
                timeout: Duration::from_secs(10),
            },
            leak_threshold: None,
            codel: None,
            rate: None,
            alerts: AlertSettings::default(),
        }
    }
}
