"""Commands about mailboxes, and what must come of them."""

import re

from .session import Session
from .values import NAMES, Mailbox, check, flag_list
from .world import World


class MailboxCommands(World):
    """What makes, removes, renames and describes mailboxes."""

    def status(self, session: Session) -> None:
        name = self.random.choice([*self.boxes, "nowhere"])
        box = self.boxes.get(name)
        items = "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)"
        if box is None or not box.selectable:
            self.run(session, f"STATUS {name} {items}", expect="NO [NONEXISTENT]")
            return
        _, rest = self.run(session, f"STATUS {name} {items}")
        line = next(line for line in rest if line.startswith("* STATUS"))
        words = line[line.rindex("(") + 1:-1].split()
        values = {item: int(value) for item, value in zip(words[::2], words[1::2])}
        self.validity(box, values.pop("UIDVALIDITY"))
        expected = {
            "MESSAGES": len(box.messages), "UIDNEXT": box.next_uid,
            "UNSEEN": sum(r"\seen" not in message.flags for message in box.messages),
            "DELETED": sum(r"\deleted" in message.flags for message in box.messages),
            "SIZE": sum(message.size for message in box.messages)}
        check(values == expected, "STATUS of", name, values, "expected", expected)

    def list(self, session: Session) -> None:
        _, rest = self.run(session, 'LIST "" *')
        listed = {}
        for line in rest:
            if found := re.match(r'\* LIST \(([^)]*)\) "/" "?([^"]+?)"?$', line):
                listed[found[2]] = flag_list(found[1])
        check(set(listed) == set(self.boxes), "LIST has", sorted(listed), "expected", sorted(self.boxes))
        for name, attributes in listed.items():
            has_children = any(other.startswith(name + "/") for other in self.boxes)
            check((r"\haschildren" in attributes) == has_children, name, attributes)
            check((r"\noselect" in attributes) == (not self.boxes[name].selectable), name, attributes)

    def make_parents(self, name: str) -> None:
        levels = name.split("/")
        for depth in range(1, len(levels)):
            self.boxes.setdefault("/".join(levels[:depth]), Mailbox(selectable=False))

    def is_selected(self, box: Mailbox) -> bool:
        return any(session.mailbox is box for session in self.sessions)

    def create(self, session: Session) -> None:
        name = self.random.choice(NAMES)
        old = self.boxes.get(name)
        if old and old.selectable:
            self.run(session, f"CREATE {name}", expect="NO [ALREADYEXISTS]")
            return
        self.run(session, f"CREATE {name}")
        self.make_parents(name)
        self.boxes[name] = Mailbox()

    def delete(self, session: Session) -> None:
        name = self.random.choice(NAMES)
        box = self.boxes.get(name)
        if name == "INBOX":
            self.run(session, "DELETE INBOX", expect="NO [CANNOT]")
            return
        if box is None:
            self.run(session, f"DELETE {name}", expect="NO [NONEXISTENT]")
            return
        # Who has it selected is told BYE, which is another test's business.
        if self.is_selected(box):
            return
        if any(other.startswith(name + "/") for other in self.boxes):
            if not box.selectable:
                self.run(session, f"DELETE {name}", expect="NO [HASCHILDREN]")
                return
            self.run(session, f"DELETE {name}")
            self.boxes[name] = Mailbox(selectable=False)
            return
        self.run(session, f"DELETE {name}")
        del self.boxes[name]

    def rename(self, session: Session) -> None:
        source, target = self.random.sample(NAMES, 2)
        box = self.boxes.get(source)
        if target == "INBOX":
            self.run(session, f"RENAME {source} INBOX", expect="NO [ALREADYEXISTS]")
            return
        if box is None:
            self.run(session, f"RENAME {source} {target}", expect="NO [NONEXISTENT]")
            return
        if target in self.boxes:
            self.run(session, f"RENAME {source} {target}", expect="NO [ALREADYEXISTS]")
            return
        if source == "INBOX":
            made = Mailbox()
            for message in box.messages:
                made.add(set(message.flags), message.size)
            box.remove(box.messages)
            self.make_parents(target)
            self.boxes[target] = made
            self.run(session, f"RENAME INBOX {target}")
            return
        if target.startswith(source + "/"):
            self.run(session, f"RENAME {source} {target}", expect="NO [CANNOT]")
            return
        self.run(session, f"RENAME {source} {target}")
        self.make_parents(target)
        self.boxes = {
            target + name[len(source):] if name == source or name.startswith(source + "/") else name: one
            for name, one in self.boxes.items()}
