//! What the rooms above keep on a loop, without the loop knowing what it is.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::rc::Rc;

use super::LoopHandle;

/// Something kept on a loop and closed with it.
pub(crate) trait Room: 'static {
    /// Lets go of everything; called once, on the loop's thread, after the loop has refused new work.
    fn close(&self, event_loop: &LoopHandle);

    /// Whether nothing is left that only the loop's thread may drop.
    fn is_idle(&self) -> bool {
        true
    }
}

#[derive(Default)]
pub(crate) struct Rooms(RefCell<Vec<Entry>>);

#[derive(Clone)]
struct Entry {
    of: TypeId,
    value: Rc<dyn Any>,
    room: Rc<dyn Room>,
}

impl Rooms {
    pub(crate) fn close(&self, event_loop: &LoopHandle) {
        let rooms = self.0.borrow().clone();
        rooms.iter().for_each(|entry| entry.room.close(event_loop));
    }

    pub(crate) fn are_idle(&self) -> bool {
        self.0.borrow().iter().all(|entry| entry.room.is_idle())
    }

    fn find(&self, of: TypeId) -> Option<Rc<dyn Any>> {
        let rooms = self.0.borrow();
        rooms.iter().find(|entry| entry.of == of).map(|entry| Rc::clone(&entry.value))
    }
}

impl LoopHandle {
    /// The one `R` of this loop, made on first use.
    pub(crate) fn room<R: Room + Default>(&self) -> Rc<R> {
        let (of, rooms) = (TypeId::of::<R>(), &self.core().rooms);
        if let Some(Ok(room)) = rooms.find(of).map(Rc::downcast) {
            return room;
        }
        let made = Rc::<R>::default();
        let (value, room) = (Rc::clone(&made) as Rc<dyn Any>, Rc::clone(&made) as Rc<dyn Room>);
        rooms.0.borrow_mut().push(Entry { of, value, room });
        made
    }
}
