//! The calls between JavaScript and Rust: the only room of this crate that may say `unsafe`.
//!
//! Raw Node-API, because a hot call must not cost more than the work it asks for. What the rest of
//! the crate sees is safe: [`Call`] (the arguments, and how to answer), [`Shared`] (memory that both
//! sides see) and [`Task`] (work for the thread pool).

use napi_sys as sys;
use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// The most arguments that a function takes.
const MAX_ARGUMENTS: usize = 6;

/// The descriptor of a socket; where there are none, nothing.
#[cfg(unix)]
pub(crate) type Descriptor<'call> = std::os::fd::BorrowedFd<'call>;
#[cfg(not(unix))]
pub(crate) type Descriptor<'call> = PhantomData<&'call ()>;

/// A value of JavaScript, good during the call that it was got in.
#[derive(Clone, Copy)]
pub(crate) struct Value(sys::napi_value);

/// What is thrown at the caller: he passed something that the function does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) &'static CStr);

/// A function that JavaScript can call.
pub(crate) trait Export<State> {
    const NAME: &'static CStr;
    fn call(call: &mut Call<'_>, state: &mut State) -> Result<Value, Refused>;
}

/// One call of an exported function.
pub(crate) struct Call<'call> {
    env: sys::napi_env,
    arguments: [sys::napi_value; MAX_ARGUMENTS],
    /// How many of them were passed.
    count: usize,
    /// What is borrowed from a call lives no longer than it.
    borrowed: PhantomData<&'call mut ()>,
}

fn ok(status: sys::napi_status, otherwise: &'static CStr) -> Result<(), Refused> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Refused(otherwise)) }
}

const NO_MEMORY: Refused = Refused(c"no memory is left for the result");

impl Call<'_> {
    /// An argument that is a number from 0 to 2^32 − 1.
    #[inline]
    pub(crate) fn number(&self, argument: usize) -> Result<u32, Refused> {
        let mut number = 0;
        // SAFETY: the environment and its values are good during the call.
        let status =
            unsafe { sys::napi_get_value_uint32(self.env, self.arguments[argument], &mut number) };
        ok(status, c"a number was expected")?;
        Ok(number)
    }

    /// An argument that is a number which `u32` may not hold: a length.
    #[inline]
    pub(crate) fn length(&self, argument: usize) -> Result<usize, Refused> {
        let mut number = 0;
        // SAFETY: as in `number`.
        let status =
            unsafe { sys::napi_get_value_int64(self.env, self.arguments[argument], &mut number) };
        ok(status, c"a length was expected")?;
        usize::try_from(number).map_err(|_| Refused(c"a length was expected"))
    }

    /// An argument that is `true` or `false`.
    #[inline]
    pub(crate) fn boolean(&self, argument: usize) -> Result<bool, Refused> {
        let mut boolean = false;
        // SAFETY: as in `number`.
        let status =
            unsafe { sys::napi_get_value_bool(self.env, self.arguments[argument], &mut boolean) };
        ok(status, c"true or false was expected")?;
        Ok(boolean)
    }

    /// An argument that is a Buffer (or another view of octets).
    ///
    /// Nothing else of the call can be used while the octets are borrowed, so they are borrowed
    /// once, and no JavaScript runs meanwhile.
    #[inline]
    pub(crate) fn octets(&mut self, argument: usize) -> Result<&mut [u8], Refused> {
        let (octets, len) = self.view(argument)?;
        if len == 0 {
            return Ok(&mut []);
        }
        // SAFETY: the view holds `len` octets at `octets`, kept alive by the argument. JavaScript
        // does not run during the call, so nobody else reads or writes them; and `self` is borrowed
        // for as long as they are.
        Ok(unsafe { std::slice::from_raw_parts_mut(octets, len) })
    }

    /// An argument that is a Buffer, to be read only: several may be borrowed.
    #[inline]
    pub(crate) fn octets_to_read(&self, argument: usize) -> Result<&[u8], Refused> {
        let (octets, len) = self.view(argument)?;
        if len == 0 {
            return Ok(&[]);
        }
        // SAFETY: as in `octets`; nobody can borrow it to write while `self` is borrowed.
        Ok(unsafe { std::slice::from_raw_parts(octets, len) })
    }

    /// Two arguments that are different `ArrayBuffer`s; for less than what a Buffer costs. One that
    /// has been detached is empty.
    ///
    /// Nothing else of the call can be used while they are borrowed, as with `octets`.
    #[inline]
    pub(crate) fn memories(
        &mut self,
        first: usize,
        second: usize,
    ) -> Result<(&mut [u8], &mut [u8]), Refused> {
        let (first, first_len) = self.memory(first)?;
        let (second, second_len) = self.memory(second)?;
        let distance = first.addr().abs_diff(second.addr());
        let before = if first < second { first_len } else { second_len };
        if distance < before {
            return Err(Refused(c"two different ArrayBuffers were expected"));
        }
        let octets = |start: *mut u8, len| match len {
            0 => &mut [][..],
            // SAFETY: as in `octets`; and the one that begins first ends before the other begins.
            _ => unsafe { std::slice::from_raw_parts_mut(start, len) },
        };
        Ok((octets(first, first_len), octets(second, second_len)))
    }

    #[inline]
    fn memory(&self, argument: usize) -> Result<(*mut u8, usize), Refused> {
        let (mut octets, mut len) = (null_mut(), 0);
        // SAFETY: as in `number`.
        let status = unsafe {
            sys::napi_get_arraybuffer_info(
                self.env,
                self.arguments[argument],
                &mut octets,
                &mut len,
            )
        };
        ok(status, c"an ArrayBuffer was expected")?;
        Ok((octets.cast(), len))
    }

    /// Whether so many arguments were passed that there is this one.
    #[inline]
    pub(crate) fn passed(&self, argument: usize) -> bool {
        argument < self.count
    }

    /// An argument that is the descriptor of an open socket.
    #[cfg(unix)]
    #[inline]
    pub(crate) fn descriptor(&self, argument: usize) -> Result<Descriptor<'_>, Refused> {
        let number = i32::try_from(self.number(argument)?);
        let number = number.map_err(|_| Refused(c"a descriptor was expected"))?;
        // SAFETY: not −1, and node/lib/fast-path.js has asked the socket for it in this very turn
        // of the loop, in which nobody else closes it.
        Ok(unsafe { Descriptor::borrow_raw(number) })
    }

    /// Nothing: Windows has no descriptors.
    #[cfg(not(unix))]
    pub(crate) fn descriptor(&self, _argument: usize) -> Result<Descriptor<'_>, Refused> {
        Ok(PhantomData)
    }

    /// Copies the first `len` octets of one Buffer to `offset` of another, or of the same one.
    pub(crate) fn copy(
        &mut self,
        source: usize,
        target: usize,
        offset: usize,
        len: usize,
    ) -> Result<(), Refused> {
        let (source, source_len) = self.view(source)?;
        let (target, target_len) = self.view(target)?;
        let fits = offset.checked_add(len).is_some_and(|end| end <= target_len);
        if len > source_len || !fits {
            return Err(Refused(c"offset and length reach beyond the end of a Buffer"));
        }
        if len > 0 {
            // SAFETY: both views hold the octets, as just compared; they may overlap.
            unsafe { std::ptr::copy(source, target.add(offset), len) };
        }
        Ok(())
    }

    #[inline]
    fn view(&self, argument: usize) -> Result<(*mut u8, usize), Refused> {
        let (mut octets, mut len) = (null_mut(), 0);
        let mut is_buffer = false;
        // SAFETY: as in `number`. Node.js 18 aborts if what it is asked about is no Buffer.
        let status = unsafe {
            let value = self.arguments[argument];
            ok(sys::napi_is_buffer(self.env, value, &mut is_buffer), c"a Buffer was expected")?;
            if !is_buffer {
                return Err(Refused(c"a Buffer was expected"));
            }
            sys::napi_get_buffer_info(self.env, self.arguments[argument], &mut octets, &mut len)
        };
        ok(status, c"a Buffer was expected")?;
        Ok((octets.cast(), len))
    }

    /// `undefined`.
    pub(crate) fn nothing(&self) -> Value {
        // What Node-API takes for `undefined` when it is returned.
        Value(null_mut())
    }

    /// A number.
    #[inline]
    pub(crate) fn answer(&self, number: u32) -> Result<Value, Refused> {
        let mut value = null_mut();
        // SAFETY: the environment is good during the call.
        ok(unsafe { sys::napi_create_uint32(self.env, number, &mut value) }, NO_MEMORY.0)?;
        Ok(Value(value))
    }

    /// A number that `u32` may not hold.
    #[inline]
    pub(crate) fn answer_length(&self, number: i64) -> Result<Value, Refused> {
        let mut value = null_mut();
        // SAFETY: as in `answer`.
        ok(unsafe { sys::napi_create_int64(self.env, number, &mut value) }, NO_MEMORY.0)?;
        Ok(Value(value))
    }

    /// Hands work to the pool of threads; `callback`, a function, is called with one number when it
    /// is done ([`Task::finish`]).
    pub(crate) fn queue<State: 'static>(
        &mut self,
        callback: usize,
        task: Box<dyn Task<State>>,
        state: &mut State,
    ) -> Result<(), Refused> {
        let mut function = null_mut();
        let callback = self.arguments[callback];
        let mut kind = 0;
        // SAFETY: as in `number`.
        unsafe {
            if sys::napi_typeof(self.env, callback, &mut kind) != sys::Status::napi_ok
                || kind != sys::ValueType::napi_function
                || sys::napi_create_reference(self.env, callback, 1, &mut function)
                    != sys::Status::napi_ok
            {
                task.finish(state);
                return Err(Refused(c"a function was expected"));
            }
        }
        let job = Box::into_raw(Box::new(Job { task, function, work: null_mut() }));
        let mut name = null_mut();
        // SAFETY: the job is on the heap until `complete` takes it back, or it is freed here
        // because nobody else has got it.
        unsafe {
            let mut status = sys::napi_create_string_utf8(self.env, c"hybi".as_ptr(), 4, &mut name);
            if status == sys::Status::napi_ok {
                status = sys::napi_create_async_work(
                    self.env,
                    null_mut(),
                    name,
                    Some(execute::<State>),
                    Some(complete::<State>),
                    job.cast(),
                    &raw mut (*job).work,
                );
            }
            if status == sys::Status::napi_ok {
                status = sys::napi_queue_async_work(self.env, (*job).work);
            }
            if status != sys::Status::napi_ok {
                Box::from_raw(job).free(self.env).finish(state);
                return Err(NO_MEMORY);
            }
        }
        Ok(())
    }
}

/// Work for a thread of the pool.
pub(crate) trait Task<State>: Send {
    /// In a thread of the pool.
    fn run(&mut self);
    /// In the thread that queued it, and also if it could not be run; the number that the callback
    /// is called with.
    fn finish(self: Box<Self>, state: &mut State) -> i64;
}

struct Job<State> {
    task: Box<dyn Task<State>>,
    function: sys::napi_ref,
    work: sys::napi_async_work,
}

impl<State> Job<State> {
    /// Gives back what belongs to the environment.
    ///
    /// # Safety
    /// In the thread of `env`, and the work is not queued.
    unsafe fn free(self, env: sys::napi_env) -> Box<dyn Task<State>> {
        // SAFETY: both belong to `env` and are deleted once, because the job is consumed. A failure
        // means that the environment is going away, and they with it.
        unsafe {
            if !self.work.is_null() {
                sys::napi_delete_async_work(env, self.work);
            }
            sys::napi_delete_reference(env, self.function);
        }
        self.task
    }
}

/// In a thread of the pool.
///
/// # Safety
/// Only Node-API calls it, once, with the job that was queued.
unsafe extern "C" fn execute<State>(_env: sys::napi_env, job: *mut c_void) {
    // SAFETY: between queueing and `complete` the job belongs to this function alone.
    let job = unsafe { &mut *job.cast::<Job<State>>() };
    // A task that panics has no result, and says so in `finish`.
    let _ = catch_unwind(AssertUnwindSafe(|| job.task.run()));
}

/// In the thread of the environment.
///
/// # Safety
/// Only Node-API calls it, once, after `execute`.
unsafe extern "C" fn complete<State: 'static>(
    env: sys::napi_env,
    status: sys::napi_status,
    job: *mut c_void,
) {
    // SAFETY: the job comes from `Box::into_raw` in `queue` and is taken back once. Values are good
    // until this function returns. The state is borrowed only until the callback is called.
    unsafe {
        let job = Box::from_raw(job.cast::<Job<State>>());
        let mut callback = null_mut();
        sys::napi_get_reference_value(env, job.function, &mut callback);
        let task = job.free(env);
        let mut state = null_mut();
        let found = sys::napi_get_instance_data(env, &mut state);
        if status != sys::Status::napi_ok || found != sys::Status::napi_ok || state.is_null() {
            // The environment is going away: nobody waits for the result.
            return;
        }
        let number = task.finish(&mut *state.cast::<State>());
        let (mut this, mut argument) = (null_mut(), null_mut());
        sys::napi_get_undefined(env, &mut this);
        sys::napi_create_int64(env, number, &mut argument);
        // What the callback throws stays pending, and becomes an uncaught exception.
        sys::napi_call_function(env, this, callback, 1, &argument, null_mut());
    }
}

/// Words that both JavaScript, as a Uint32Array, and Rust see.
pub(crate) struct Shared {
    words: *mut u32,
    len: usize,
}

impl Shared {
    /// The words; JavaScript does not run while they are borrowed from a call.
    #[inline]
    pub(crate) fn words(&mut self) -> &mut [u32] {
        // SAFETY: `Module::shared` has the array live as long as the environment, zeroed, aligned,
        // of this length. JavaScript, which is the only other one to see them, does not run while
        // Rust does, and never gives the array away (see node/lib/native.js).
        unsafe { std::slice::from_raw_parts_mut(self.words, self.len) }
    }
}

/// What a module exports, while it is being set up.
pub(crate) struct Module {
    env: sys::napi_env,
    exports: sys::napi_value,
}

impl Module {
    /// Sets the module up in one environment: the main thread's or a worker's.
    ///
    /// # Safety
    /// Only from `napi_register_module_v1`, with its arguments.
    pub(crate) unsafe fn register(
        env: sys::napi_env,
        exports: sys::napi_value,
        set_up: impl FnOnce(&mut Module) -> Result<(), Refused>,
    ) -> sys::napi_value {
        static HOST: OnceLock<Box<dyn Any + Send + Sync>> = OnceLock::new();
        // SAFETY: called once in the process, before any other function of `sys`; the library stays
        // open for ever.
        HOST.get_or_init(|| Box::new(unsafe { sys::setup() }));
        if let Err(Refused(why)) = set_up(&mut Module { env, exports }) {
            // SAFETY: the environment is good during the call.
            unsafe { sys::napi_throw_error(env, null(), why.as_ptr()) };
        }
        exports
    }

    /// Exports an array of `len` words that Rust sees as well.
    pub(crate) fn shared(&mut self, name: &CStr, len: usize) -> Result<Shared, Refused> {
        let (mut words, mut buffer, mut array, mut kept) =
            (null_mut(), null_mut(), null_mut(), null_mut());
        // SAFETY: the environment is good while the module is set up. The reference, which is never
        // deleted, keeps the array and with it the words as long as the environment lives.
        unsafe {
            let bytes = len * size_of::<u32>();
            ok(
                sys::napi_create_arraybuffer(self.env, bytes, &mut words, &mut buffer),
                NO_MEMORY.0,
            )?;
            let kind = sys::TypedarrayType::uint32_array;
            let status = sys::napi_create_typedarray(self.env, kind, len, buffer, 0, &mut array);
            ok(status, NO_MEMORY.0)?;
            ok(sys::napi_create_reference(self.env, buffer, 1, &mut kept), NO_MEMORY.0)?;
        }
        self.export(name, array)?;
        Ok(Shared { words: words.cast(), len })
    }

    /// Exports a text.
    pub(crate) fn text(&mut self, name: &CStr, text: &str) -> Result<(), Refused> {
        let mut value = null_mut();
        let (start, len) = (text.as_ptr().cast::<c_char>(), text.len() as isize);
        // SAFETY: the environment is good while the module is set up, and the text is copied.
        let status = unsafe { sys::napi_create_string_utf8(self.env, start, len, &mut value) };
        ok(status, NO_MEMORY.0)?;
        self.export(name, value)
    }

    /// Keeps `state` for this environment, to be freed with it. Functions come after it.
    pub(crate) fn keep<State: 'static>(&mut self, state: State) -> Result<Kept<State>, Refused> {
        let state = Box::into_raw(Box::new(state));
        // SAFETY: the state is freed by `free` alone, when the environment ends; no function of the
        // module is called after that.
        let status = unsafe {
            sys::napi_set_instance_data(self.env, state.cast(), Some(free::<State>), null_mut())
        };
        ok(status, NO_MEMORY.0)?;
        Ok(Kept(state))
    }

    /// Exports a function.
    pub(crate) fn function<State: 'static, F: Export<State>>(
        &mut self,
        state: &Kept<State>,
        _function: F,
    ) -> Result<(), Refused> {
        let mut value = null_mut();
        let len = F::NAME.count_bytes() as isize;
        // SAFETY: the environment is good while the module is set up; `enter` expects this state.
        let status = unsafe {
            sys::napi_create_function(
                self.env,
                F::NAME.as_ptr(),
                len,
                Some(enter::<State, F>),
                state.0.cast(),
                &mut value,
            )
        };
        ok(status, NO_MEMORY.0)?;
        self.export(F::NAME, value)
    }

    fn export(&mut self, name: &CStr, value: sys::napi_value) -> Result<(), Refused> {
        // SAFETY: the environment is good while the module is set up, and the name ends with zero.
        let status =
            unsafe { sys::napi_set_named_property(self.env, self.exports, name.as_ptr(), value) };
        ok(status, c"the module cannot be set up")
    }
}

/// The state of an environment: what its functions work on.
pub(crate) struct Kept<State>(*mut State);

/// # Safety
/// Only Node-API calls it, once, with what `keep` gave it.
unsafe extern "C" fn free<State>(_env: sys::napi_env, state: *mut c_void, _hint: *mut c_void) {
    // SAFETY: it comes from `Box::into_raw` in `keep`, and Node-API calls this once.
    drop(unsafe { Box::from_raw(state.cast::<State>()) });
}

/// Where JavaScript enters.
///
/// # Safety
/// Only Node-API calls it, in the thread of its environment, with the state that `function` named.
unsafe extern "C" fn enter<State, F: Export<State>>(
    env: sys::napi_env,
    info: sys::napi_callback_info,
) -> sys::napi_value {
    let arguments = [null_mut(); MAX_ARGUMENTS];
    let mut call = Call { env, arguments, count: MAX_ARGUMENTS, borrowed: PhantomData };
    let mut state = null_mut();
    // SAFETY: `arguments` has room for `count` values, which becomes how many were passed; those
    // that were not are undefined.
    let status = unsafe {
        let arguments = call.arguments.as_mut_ptr();
        sys::napi_get_cb_info(env, info, &mut call.count, arguments, null_mut(), &mut state)
    };
    if status != sys::Status::napi_ok || state.is_null() {
        return null_mut();
    }
    // SAFETY: `keep` made it, and it lives as long as the environment. No function calls
    // JavaScript, so there is no other borrow of it: neither is a function entered from within
    // another, nor from `complete`, which has given its borrow back before.
    let state = unsafe { &mut *state.cast::<State>() };
    let Refused(why) = match catch_unwind(AssertUnwindSafe(|| F::call(&mut call, state))) {
        Ok(Ok(Value(value))) => return value,
        Ok(Err(refused)) => refused,
        Err(_) => Refused(c"hybi: internal error (please report it)"),
    };
    // SAFETY: the environment is good during the call, and the text ends with zero.
    unsafe { sys::napi_throw_type_error(env, null(), why.as_ptr()) };
    null_mut()
}
