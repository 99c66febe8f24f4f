"""Typed values attached to investigations, samples, datasets, datafiles and collections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from catalog.model.base import Base, ParameterMixin, value_indexes

if TYPE_CHECKING:
    from catalog.model.datafile import Datafile
    from catalog.model.dataset import Dataset
    from catalog.model.facility import ParameterType
    from catalog.model.investigation import Investigation, Sample
    from catalog.model.provenance import DataCollection


class InvestigationParameter(ParameterMixin, Base):
    """Parameter value hung on an investigation."""

    __tablename__ = "investigation_parameter"
    __table_args__ = (
        UniqueConstraint("investigation_id", "type_id"),
        *value_indexes("investigation_parameter", "investigation_id"),
    )
    __key__ = ("investigation", "type")

    investigation_id: Mapped[int] = mapped_column(
        ForeignKey("investigation.id", ondelete="CASCADE")
    )
    type_id: Mapped[int] = mapped_column(ForeignKey("parameter_type.id", ondelete="CASCADE"))
    investigation: Mapped["Investigation"] = relationship(
        back_populates="parameters", foreign_keys=[investigation_id]
    )
    type: Mapped["ParameterType"] = relationship(
        back_populates="investigation_parameters", foreign_keys=[type_id]
    )


class SampleParameter(ParameterMixin, Base):
    """Parameter value hung on a sample."""

    __tablename__ = "sample_parameter"
    __table_args__ = (
        UniqueConstraint("sample_id", "type_id"),
        *value_indexes("sample_parameter", "sample_id"),
    )
    __key__ = ("sample", "type")

    sample_id: Mapped[int] = mapped_column(ForeignKey("sample.id", ondelete="CASCADE"))
    type_id: Mapped[int] = mapped_column(ForeignKey("parameter_type.id", ondelete="CASCADE"))
    sample: Mapped["Sample"] = relationship(back_populates="parameters", foreign_keys=[sample_id])
    type: Mapped["ParameterType"] = relationship(
        back_populates="sample_parameters", foreign_keys=[type_id]
    )


class DatasetParameter(ParameterMixin, Base):
    """Parameter value hung on a dataset."""

    __tablename__ = "dataset_parameter"
    __table_args__ = (
        UniqueConstraint("dataset_id", "type_id"),
        *value_indexes("dataset_parameter", "dataset_id"),
    )
    __key__ = ("dataset", "type")

    dataset_id: Mapped[int] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"))
    type_id: Mapped[int] = mapped_column(ForeignKey("parameter_type.id", ondelete="CASCADE"))
    dataset: Mapped["Dataset"] = relationship(
        back_populates="parameters", foreign_keys=[dataset_id]
    )
    type: Mapped["ParameterType"] = relationship(
        back_populates="dataset_parameters", foreign_keys=[type_id]
    )


class DatafileParameter(ParameterMixin, Base):
    """Parameter value hung on a datafile."""

    __tablename__ = "datafile_parameter"
    __table_args__ = (
        UniqueConstraint("datafile_id", "type_id"),
        *value_indexes("datafile_parameter", "datafile_id"),
    )
    __key__ = ("datafile", "type")

    datafile_id: Mapped[int] = mapped_column(ForeignKey("datafile.id", ondelete="CASCADE"))
    type_id: Mapped[int] = mapped_column(ForeignKey("parameter_type.id", ondelete="CASCADE"))
    datafile: Mapped["Datafile"] = relationship(
        back_populates="parameters", foreign_keys=[datafile_id]
    )
    type: Mapped["ParameterType"] = relationship(
        back_populates="datafile_parameters", foreign_keys=[type_id]
    )


class DataCollectionParameter(ParameterMixin, Base):
    """Parameter value hung on a data collection."""

    __tablename__ = "data_collection_parameter"
    __table_args__ = (
        UniqueConstraint("data_collection_id", "type_id"),
        *value_indexes("data_collection_parameter", "data_collection_id"),
    )
    __key__ = ("data_collection", "type")

    data_collection_id: Mapped[int] = mapped_column(
        ForeignKey("data_collection.id", ondelete="CASCADE")
    )
    type_id: Mapped[int] = mapped_column(ForeignKey("parameter_type.id", ondelete="CASCADE"))
    data_collection: Mapped["DataCollection"] = relationship(
        back_populates="parameters", foreign_keys=[data_collection_id]
    )
    type: Mapped["ParameterType"] = relationship(
        back_populates="data_collection_parameters", foreign_keys=[type_id]
    )
