"""Spec -> Plan: every size of a network as plain numbers, and what two plans have in common."""
