"""Holds every file of a data set against its log, offline, and queues again exactly what is not sound."""
