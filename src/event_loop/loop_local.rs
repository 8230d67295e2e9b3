//! Loop-local storage: one value of each type, kept on the loop for the layers above it.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

use super::LoopHandle;

/// A value that is stored on a loop and closed with it.
pub(crate) trait LoopLocal: Any {
    /// Releases everything; called once, on the loop's thread, after the loop has refused new jobs.
    fn close(&self, event_loop: &LoopHandle);

    /// Whether everything is gone that only the loop's thread may drop.
    fn is_idle(&self) -> bool {
        true
    }
}

/// All loop-local values of one loop.
#[derive(Default)]
pub(crate) struct LoopLocals(RefCell<Vec<Entry>>);

#[derive(Clone)]
struct Entry {
    type_id: TypeId,
    value: Rc<dyn LoopLocal>,
}

impl LoopLocals {
    pub(crate) fn close(&self, event_loop: &LoopHandle) {
        let entries = self.0.borrow().clone();
        for entry in entries {
            event_loop.call_or_report(|| entry.value.close(event_loop));
        }
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.0.borrow().iter().all(|entry| entry.value.is_idle())
    }

    fn find<L: LoopLocal>(&self) -> Option<Rc<L>> {
        let entries = self.0.borrow();
        let entry = entries.iter().find(|entry| entry.type_id == TypeId::of::<L>())?;
        (Rc::clone(&entry.value) as Rc<dyn Any>).downcast().ok()
    }
}

impl LoopHandle {
    /// The loop's value of type `L`, created on first use.
    pub(crate) fn local<L: LoopLocal + Default>(&self) -> Rc<L> {
        let locals = &self.core().locals;
        if let Some(known) = locals.find() {
            return known;
        }
        let created = Rc::<L>::default();
        let (type_id, value) = (TypeId::of::<L>(), Rc::clone(&created) as Rc<dyn LoopLocal>);
        locals.0.borrow_mut().push(Entry { type_id, value });
        created
    }
}
