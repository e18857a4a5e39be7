"""Pure decisions: functions of their arguments, time and chance included. No socket, clock, disk or event loop."""
