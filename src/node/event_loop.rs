//! The event loop of libuv, which watches the sockets of its environment's pools.
//!
//! Node exports libuv's functions, whose binary interface has not changed within version 1. They are looked
//! up by name, so that the addon also loads where there are none; then, and where the facade
//! knows that they are but names, each connection's task reads instead.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::{Arc, OnceLock};

use libloading::os::unix::Library;
use napi::bindgen_prelude::*;
use napi::sys;

use super::outbox::{Entry, Queue};
use crate::conn::Poller;

/// `UV_POLL` among libuv's types of handle.
const POLL: c_int = 8;
/// `UV_READABLE`.
const READABLE: c_int = 1;

type Handle = *mut c_void;
type OnReady = unsafe extern "C" fn(Handle, c_int, c_int);
type OnClose = unsafe extern "C" fn(Handle);

/// Those of libuv's functions that are needed here.
struct Uv {
    handle_size: unsafe extern "C" fn(c_int) -> usize,
    get_data: unsafe extern "C" fn(Handle) -> *mut c_void,
    set_data: unsafe extern "C" fn(Handle, *mut c_void),
    poll_init: unsafe extern "C" fn(*mut c_void, Handle, c_int) -> c_int,
    poll_start: unsafe extern "C" fn(Handle, c_int, OnReady) -> c_int,
    unref: unsafe extern "C" fn(Handle),
    close: unsafe extern "C" fn(Handle, OnClose),
}

/// `None`: this process has no libuv.
fn uv() -> Option<&'static Uv> {
    static UV: OnceLock<Option<Uv>> = OnceLock::new();
    UV.get_or_init(|| {
        let process = Library::this();
        // SAFETY: these are the signatures in uv.h, the same in all of libuv 1.
        unsafe {
            Some(Uv {
                handle_size: *process.get(b"uv_handle_size\0").ok()?,
                get_data: *process.get(b"uv_handle_get_data\0").ok()?,
                set_data: *process.get(b"uv_handle_set_data\0").ok()?,
                poll_init: *process.get(b"uv_poll_init\0").ok()?,
                poll_start: *process.get(b"uv_poll_start\0").ok()?,
                unref: *process.get(b"uv_unref\0").ok()?,
                close: *process.get(b"uv_close\0").ok()?,
            })
        }
    })
    .as_ref()
}

/// What the loop's handle leads to.
struct Watched {
    poller: Arc<Poller>,
    queue: Arc<Queue>,
    env: sys::napi_env,
    /// JavaScript's `onReady`.
    on_ready: sys::napi_ref,
    /// What libuv keeps of the handle.
    memory: Box<[u128]>,
    cleanup: sys::napi_async_cleanup_hook_handle,
}

/// Lets the event loop of `env` read what comes for `poller`, and then call `on_ready` if something was
/// posted to `queue`. Says whether it will. It never keeps the process alive.
pub(super) fn watch(
    env: &Env,
    poller: &Arc<Poller>,
    queue: &Arc<Queue>,
    on_ready: &Function<'_, (), Unknown<'static>>,
) -> bool {
    let (Some(uv), Ok(uv_loop)) = (uv(), env.get_uv_event_loop()) else {
        return false;
    };
    // SAFETY: this is JavaScript's thread. The memory is as large and as aligned as libuv asks for, and is
    // freed only after libuv has said that it is done with it.
    unsafe {
        let size = (uv.handle_size)(POLL).div_ceil(size_of::<u128>());
        let mut memory = vec![0; size].into_boxed_slice();
        let handle: Handle = memory.as_mut_ptr().cast();
        if (uv.poll_init)(uv_loop.cast(), handle, poller.fd()) != 0 {
            return false;
        }
        let mut reference = null_mut();
        sys::napi_create_reference(env.raw(), on_ready.raw(), 1, &mut reference);
        let watched = Box::into_raw(Box::new(Watched {
            poller: poller.clone(),
            queue: queue.clone(),
            env: env.raw(),
            on_ready: reference,
            memory,
            cleanup: null_mut(),
        }));
        (uv.set_data)(handle, watched.cast());
        (uv.unref)(handle);
        let hook = &mut (*watched).cleanup;
        sys::napi_add_async_cleanup_hook(env.raw(), Some(end), watched.cast(), hook);
        (uv.poll_start)(handle, READABLE, ready) == 0
    }
}

/// libuv: something has come, and this is JavaScript's thread.
unsafe extern "C" fn ready(handle: Handle, _status: c_int, _events: c_int) {
    // SAFETY: what was set in `watch` lives until the handle is closed, after which this is not called.
    let watched = unsafe {
        let Some(uv) = uv() else { return };
        &*(uv.get_data)(handle).cast::<Watched>()
    };
    // A bug that panics must not end the process, nor would it if a task had met it.
    let read = AssertUnwindSafe(|| watched.queue.quietly(|| watched.poller.read_on_loop()));
    if catch_unwind(read).unwrap_or(true) {
        watched.tell();
    }
}

impl Watched {
    /// Calls JavaScript.
    fn tell(&self) {
        let env = self.env;
        // SAFETY: this is JavaScript's thread, and its environment is there until `end`.
        unsafe {
            let mut scope = null_mut();
            if sys::napi_open_handle_scope(env, &mut scope) != sys::Status::napi_ok {
                return;
            }
            // More than one are fetched, which costs no more for many than for two.
            let only = self.queue.only().and_then(|entry| arguments(env, entry).ok());
            let arguments = only.as_ref().map_or(&[][..], |only| &only[..]);
            let (mut on_ready, mut global, mut result) = (null_mut(), null_mut(), null_mut());
            sys::napi_get_reference_value(env, self.on_ready, &mut on_ready);
            sys::napi_get_global(env, &mut global);
            let status = sys::napi_make_callback(
                env,
                null_mut(),
                global,
                on_ready,
                arguments.len(),
                arguments.as_ptr(),
                &mut result,
            );
            if status == sys::Status::napi_pending_exception {
                // Not of `on_ready`, but of what callers did with their answers when it was back. Where the
                // environment is going away in the middle of it, this does nothing.
                let mut thrown = null_mut();
                sys::napi_get_and_clear_last_exception(env, &mut thrown);
                sys::napi_fatal_exception(env, thrown);
            }
            sys::napi_close_handle_scope(env, scope);
        }
    }
}

/// What `on_ready` is called with.
fn arguments(env: sys::napi_env, entry: Entry) -> Result<[sys::napi_value; 4]> {
    let env = Env::from_raw(env);
    let (numbers, payload) = entry.cross(&env)?;
    let [kind, number, aux] = numbers.map(|number| env.create_double(number));
    Ok([kind?.raw(), number?.raw(), aux?.raw(), payload.raw()])
}

/// Node-API: the environment goes away.
unsafe extern "C" fn end(_: sys::napi_async_cleanup_hook_handle, watched: *mut c_void) {
    let watched: *mut Watched = watched.cast();
    // SAFETY: called once, on JavaScript's thread, with what `watch` gave.
    unsafe {
        let Some(uv) = uv() else { return };
        sys::napi_delete_reference((*watched).env, (*watched).on_ready);
        (uv.close)((*watched).memory.as_mut_ptr().cast(), closed);
    }
}

/// libuv: it has no more use for the handle.
unsafe extern "C" fn closed(handle: Handle) {
    // SAFETY: the last call for it, and nobody else has it.
    unsafe {
        let Some(uv) = uv() else { return };
        let watched = Box::from_raw((uv.get_data)(handle).cast::<Watched>());
        sys::napi_remove_async_cleanup_hook(watched.cleanup);
    }
}
