"""The schema that all tables of the store belong to."""

import sqlalchemy

METADATA = sqlalchemy.MetaData()
