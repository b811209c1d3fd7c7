"""The front door of the local AWS: authentication, authorisation, faults and the journal.

All calls of functions, machines and operators pass the front door before moto gets them.
"""
