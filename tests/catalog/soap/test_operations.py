"""The operations, as raw envelopes have them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from catalog import settings
from catalog.app import app_for

XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


@pytest.fixture
def facility(soap_root: Any) -> int:
    return int(soap_root.create("facility", "<name>F</name>"))


def _own(facility: int) -> str:
    return f"<facility><id>{facility}</id></facility>"


# Sessions


def test_session_id_of_login_is_good_for_the_user(soap_root: Any) -> None:
    assert str(uuid.UUID(soap_root.session_id)) == soap_root.session_id
    assert soap_root.texts("getUserName") == ["simple/root"]
    (left,) = soap_root.texts("getRemainingMinutes")
    assert 119 < float(left) <= 120


def test_wrong_password_is_a_session_fault(soap: Any, fault: Any) -> None:
    with pytest.raises(fault, match="SESSION -1: The username and password do not match"):
        soap.login("simple", username="root", password="wrong")


def test_unknown_authenticator_is_named(soap: Any, fault: Any) -> None:
    with pytest.raises(fault, match="SESSION -1: Authenticator mnemonic ldap not recognised"):
        soap.login("ldap", username="root", password="x")


def test_session_ends_with_logout(soap_root: Any, fault: Any) -> None:
    assert soap_root.texts("refresh") == []
    assert soap_root.texts("logout") == []
    with pytest.raises(fault, match="Unable to find user by sessionid: " + soap_root.session_id):
        soap_root.texts("getUserName")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("getUserName", ""),
        ("search", "<query>Facility</query>"),
        ("get", "<query>Facility</query><primaryKey>1</primaryKey>"),
        ("createMany", ""),
        ("deleteMany", ""),
        ("getProperties", ""),
    ],
)
def test_operation_without_session_is_refused(
    soap: Any, fault: Any, operation: str, arguments: str
) -> None:
    with pytest.raises(fault, match=r"SESSION -1: Session Id cannot be null or empty."):
        soap.returns(operation, arguments)


# What the catalog says of itself


def test_versions_are_the_same(soap: Any) -> None:
    assert soap.texts("getApiVersion") == soap.texts("getVersion") == ["6.2.0"]


def test_entity_names_are_all_and_in_order(soap: Any) -> None:
    names = soap.texts("getEntityNames")
    assert len(names) == 53
    assert names == sorted(names)


def test_entity_info_has_key_kinds_and_lengths(soap: Any) -> None:
    (info,) = soap.returns("getEntityInfo", "<beanName>DatafileFormat</beanName>")
    assert [one.text for one in info.iterfind("constraints/fieldNames")] == [
        "facility",
        "name",
        "version",
    ]
    fields = {
        one.findtext("name"): {child.tag: child.text for child in one}
        for one in info.iterfind("fields")
    }
    assert fields["version"] == {
        "name": "version",
        "notNullable": "true",
        "relType": "ATTRIBUTE",
        "stringLength": "255",
        "type": "String",
    }
    assert fields["facility"]["relType"] == "ONE"
    assert fields["facility"]["type"] == "Facility"
    assert fields["datafiles"]["relType"] == "MANY"
    assert fields["createTime"] == {
        "name": "createTime",
        "notNullable": "false",
        "relType": "ATTRIBUTE",
        "type": "Date",
    }


def test_entity_without_key_has_no_constraint(soap: Any) -> None:
    (info,) = soap.returns("getEntityInfo", "<beanName>Rule</beanName>")
    assert info.find("constraints") is None


@pytest.mark.parametrize("name", ["Parameter", "EntityBaseBean"])
def test_entity_info_knows_what_entities_have_in_common(soap: Any, name: str) -> None:
    (info,) = soap.returns("getEntityInfo", f"<beanName>{name}</beanName>")
    names = [one.findtext("name") for one in info.iterfind("fields")]
    assert names[:5] == ["createId", "createTime", "id", "modId", "modTime"]
    assert ("numericValue" in names) == (name == "Parameter")


def test_unknown_entity_is_named_in_its_own_letters(soap: Any, fault: Any) -> None:
    with pytest.raises(fault, match="BAD_PARAMETER -1: Größe is not an ICAT entity"):
        soap.returns("getEntityInfo", "<beanName>Größe</beanName>")


def test_authenticators_tell_what_they_ask_for(soap: Any) -> None:
    found = {one.findtext("mnemonic"): one for one in soap.returns("getAuthenticatorInfo")}
    assert list(found) == ["simple", "db", "anon"]
    keys = [
        (key.findtext("name"), key.findtext("hide")) for key in found["simple"].iterfind("keys")
    ]
    assert keys == [("username", "false"), ("password", "true")]
    assert found["anon"].find("keys") is None


def test_properties_are_for_root(soap_root: Any, soap_ana: Any, fault: Any) -> None:
    assert "maxEntities 1000" in soap_root.texts("getProperties")
    with pytest.raises(fault, match="INSUFFICIENT_PRIVILEGES -1: user must be in rootUserNames"):
        soap_ana.texts("getProperties")


# Create


def test_nested_children_are_created_with_their_parent(soap_root: Any, facility: int) -> None:
    soap_root.create(
        "instrument",
        "<instrumentScientists><user><id>"
        + str(soap_root.create("user", "<name>simple/ana</name>"))
        + f"</id></user></instrumentScientists>{_own(facility)}<name>E2</name>",
    )
    assert soap_root.values("SELECT s.user.name FROM InstrumentScientist s") == ["simple/ana"]
    assert soap_root.values("SELECT s.instrument.name FROM InstrumentScientist s") == ["E2"]
    assert soap_root.values("SELECT s.createId FROM InstrumentScientist s") == ["simple/root"]


def test_id_and_stamps_that_a_client_sends_are_not_taken(soap_root: Any) -> None:
    stamps = "<createId>x/y</createId><createTime>2001-01-01T00:00:00Z</createTime>"
    id = soap_root.create("facility", f"{stamps}<id>4711</id><name>G</name>")
    assert id != 4711
    assert soap_root.values("SELECT f.createId FROM Facility f") == ["simple/root"]


def test_related_entity_counts_by_its_id_alone(soap_root: Any, facility: int) -> None:
    whole = f"<facility><id>{facility}</id><name>other</name><instruments/></facility>"
    soap_root.create("datasetType", f"{whole}<name>raw</name>")
    assert soap_root.values("SELECT t.facility.name FROM DatasetType t") == ["F"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2010-10-01T06:17:48Z", "2010-10-01T06:17:48.000Z"),
        ("2010-10-01T08:17:48+02:00", "2010-10-01T06:17:48.000Z"),
        ("2010-10-01T06:17:48.123456789Z", "2010-10-01T06:17:48.123Z"),
        ("2010-10-01T06:17:48", "2010-10-01T06:17:48.000Z"),
        ("2010-10-01", "2010-10-01T00:00:00.000Z"),
        ("2010-10-01+02:00", "2010-09-30T22:00:00.000Z"),
    ],
)
def test_date_is_stored_as_the_moment_it_is(soap_root: Any, sent: str, stored: str) -> None:
    soap_root.create("study", f"<name>s</name><startDate>{sent}</startDate>")
    assert soap_root.values("SELECT s.startDate FROM Study s") == [stored]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("<startDate>yesterday</startDate>", "Badly formatted date yesterday"),
        ("<status>OPEN</status>", "Field status must be one of NEW, IN_PROGRESS"),
        ("<colour>red</colour>", "Field colour not found in Study"),
        ("<name>a</name><name>b</name>", "Field name is there twice in Study"),
        ("<name><b/></name>", "name must be text and has b"),
        ("<user><id>one</id></user>", "Badly formatted id: one"),
    ],
)
def test_value_that_is_none_is_a_bad_parameter(
    soap_root: Any, fault: Any, bean: Any, values: str, message: str
) -> None:
    with pytest.raises(fault, match=f"BAD_PARAMETER -1: {message}"):
        soap_root.returns("create", bean("study", values))


def test_empty_number_date_and_boolean_are_as_absent(soap_root: Any, facility: int) -> None:
    soap_root.create(
        "parameterType",
        f"<enforced/>{_own(facility)}<minimumNumericValue/><name>n</name>"
        "<units>m</units><valueType>NUMERIC</valueType><verified> 1 </verified>",
    )
    assert soap_root.values("SELECT t.enforced FROM ParameterType t") == ["false"]
    assert soap_root.values("SELECT t.verified FROM ParameterType t") == ["true"]
    assert soap_root.values("SELECT t.minimumNumericValue FROM ParameterType t") == []


def test_member_of_a_list_that_clashes_is_told_and_nothing_is_stored(
    soap_root: Any, fault: Any, bean: Any, facility: int
) -> None:
    two = bean("facility", "<name>A</name>", "beans") + bean("facility", "<name>F</name>", "beans")
    with pytest.raises(fault, match="OBJECT_ALREADY_EXISTS 1: Facility exists with name = 'F'"):
        soap_root.returns("createMany", two)
    assert soap_root.values("SELECT f.name FROM Facility f") == ["F"]


def test_members_of_a_list_that_clash_with_each_other_are_told(
    soap_root: Any, fault: Any, bean: Any, facility: int
) -> None:
    kind = bean("datasetType", f"{_own(facility)}<name>raw</name>", "beans")
    message = f"OBJECT_ALREADY_EXISTS 1: DatasetType exists with facility = 'id:{facility}'"
    with pytest.raises(fault, match=message):
        soap_root.returns("createMany", kind + kind)


def test_ids_of_a_list_come_in_its_order(soap_root: Any, bean: Any, facility: int) -> None:
    beans = "".join(
        bean("user", f"<name>u{number}</name>", "beans")
        if number % 3
        else bean("datasetType", f"{_own(facility)}<name>t{number}</name>", "beans")
        for number in range(7)
    )
    ids = soap_root.texts("createMany", beans)
    assert [
        soap_root.values(f"SELECT u.name FROM User u WHERE u.id = {ids[n]}") for n in (1, 5)
    ] == [
        ["u1"],
        ["u5"],
    ]
    kinds = [
        soap_root.values(f"SELECT t.name FROM DatasetType t WHERE t.id = {ids[n]}") for n in (0, 6)
    ]
    assert kinds == [["t0"], ["t6"]]


def test_lists_may_be_empty(soap_root: Any) -> None:
    assert soap_root.texts("createMany") == []
    assert soap_root.texts("deleteMany") == []


def test_related_entity_that_is_not_there_is_an_internal_error(
    soap_root: Any, fault: Any, bean: Any, facility: int
) -> None:
    good = bean("datasetType", f"{_own(facility)}<name>a</name>", "beans")
    bad = bean("datasetType", f"{_own(-11)}<name>b</name>", "beans")
    with pytest.raises(fault, match=r"INTERNAL 1: Unexpected DB response: Facility\[id:-11\]"):
        soap_root.returns("createMany", good + bad)
    without = bean("datasetType", "<facility><name>F</name></facility><name>b</name>")
    with pytest.raises(fault, match="INTERNAL -1: Unexpected DB response"):
        soap_root.returns("create", without)


def test_key_that_is_there_is_told_before_what_is_missing_or_too_long(
    soap_root: Any, fault: Any, bean: Any, facility: int
) -> None:
    kind = soap_root.create("investigationType", f"{_own(facility)}<name>t</name>")
    key = f"{_own(facility)}<name>I</name>"
    rest = f"<title>t</title><type><id>{kind}</id></type><visitId>1</visitId>"
    soap_root.create("investigation", key + rest)
    with pytest.raises(fault, match="OBJECT_ALREADY_EXISTS -1: Investigation exists with facility"):
        soap_root.returns("create", bean("investigation", f"{key}<visitId>1</visitId>"))
    with pytest.raises(fault, match=r"VALIDATION -1: Investigation: title cannot be null."):
        soap_root.returns("create", bean("investigation", f"{key}<visitId>2</visitId>"))
    long = f"<title>{'x' * 256}</title><type><id>{kind}</id></type><visitId>2</visitId>"
    with pytest.raises(fault, match="VALIDATION -1: Investigation: title cannot have length > 255"):
        soap_root.returns("create", bean("investigation", key + long))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("<bean><name>F</name></bean>", "bean must say by xsi:type which entity it is"),
        ('<bean xsi:type="t:planet"/>', "planet is not an ICAT entity"),
        ('<bean xsi:type="t:parameter"/>', "parameter is not an ICAT entity"),
        ('<bean xsi:type="t:entityBaseBean"/>', "entityBaseBean is not an ICAT entity"),
        ('<bean xsi:type="xsi:facility"/>', "the type xsi:facility is not of http://icatproject"),
        ("", "bean is not set"),
        ('<bean xsi:nil="true"/>', "bean is not set"),
    ],
)
def test_bean_that_is_no_entity_is_refused(
    soap_root: Any, fault: Any, given: str, message: str
) -> None:
    with pytest.raises(fault, match=f"BAD_PARAMETER -1: {message}"):
        soap_root.returns("create", given)


# Update


def test_update_makes_null_of_what_is_absent(soap_root: Any, bean: Any) -> None:
    id = soap_root.create(
        "facility", "<daysUntilRelease>3</daysUntilRelease><name>A</name><url>http://a</url>"
    )
    changed = f"<id>{id}</id><instruments><name>not looked at</name></instruments><name>B</name>"
    assert soap_root.returns("update", bean("facility", changed)) == []
    (found,) = soap_root.search("Facility")
    assert found.findtext("name") == "B"
    assert found.find("url") is None
    assert found.find("daysUntilRelease") is None
    assert soap_root.values("SELECT COUNT(i) FROM Instrument i") == ["0"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("<name>B</name>", "NO_SUCH_OBJECT_FOUND -1: Facility has null primary key."),
        ("<id>77</id><name>B</name>", r"NO_SUCH_OBJECT_FOUND -1: Facility\[id:77\] not found."),
        ("<id>{id}</id>", "VALIDATION -1: Facility: name cannot be null."),
    ],
)
def test_update_that_cannot_be_is_refused(
    soap_root: Any, fault: Any, bean: Any, facility: int, values: str, message: str
) -> None:
    with pytest.raises(fault, match=message):
        soap_root.returns("update", bean("facility", values.format(id=facility)))


def test_right_to_change_one_attribute_is_not_enough_for_update(
    soap_root: Any, soap_ana: Any, fault: Any, bean: Any, facility: int
) -> None:
    one = "<crudFlags>U</crudFlags><what>SELECT f.url FROM Facility f</what>"
    soap_root.create("rule", one)
    changed = bean("facility", f"<id>{facility}</id><name>F</name><url>http://a</url>")
    message = "INSUFFICIENT_PRIVILEGES -1: UPDATE access to this Facility is not allowed."
    with pytest.raises(fault, match=message):
        soap_ana.returns("update", changed)
    soap_root.create("rule", "<crudFlags>U</crudFlags><what>Facility</what>")
    assert soap_ana.returns("update", changed) == []


# Delete


def test_delete_takes_along_what_hangs_on_an_entity(
    soap_root: Any, bean: Any, facility: int
) -> None:
    soap_root.create("instrument", f"{_own(facility)}<name>E2</name>")
    assert soap_root.returns("delete", bean("facility", f"<id>{facility}</id>")) == []
    assert soap_root.values("SELECT COUNT(i) FROM Instrument i") == ["0"]


def test_delete_of_what_is_not_there_says_which(
    soap_root: Any, fault: Any, bean: Any, facility: int
) -> None:
    with pytest.raises(fault, match=r"NO_SUCH_OBJECT_FOUND 0: Facility\[id:77\] not found."):
        soap_root.returns("delete", bean("facility", "<id>77</id>"))
    two = bean("facility", f"<id>{facility}</id>", "beans") + bean("facility", "", "beans")
    with pytest.raises(fault, match=r"NO_SUCH_OBJECT_FOUND 1: Facility has null primary key."):
        soap_root.returns("deleteMany", two)
    assert soap_root.values("SELECT f.name FROM Facility f") == ["F"]


# Get and search


def test_get_has_what_is_included(soap_root: Any, facility: int) -> None:
    soap_root.create("instrument", f"{_own(facility)}<name>E2</name>")
    query = "<query>Facility f INCLUDE f.instruments</query>"
    (found,) = soap_root.returns("get", f"{query}<primaryKey>{facility}</primaryKey>")
    assert found.get(XSI_TYPE) == "t:facility"
    assert [one.findtext("name") for one in found.iterfind("instruments")] == ["E2"]
    (found,) = soap_root.returns(
        "get", f"<query>Facility</query><primaryKey>{facility}</primaryKey>"
    )
    assert found.find("instruments") is None


@pytest.mark.parametrize("id", ["0", "-3", "77"])
def test_get_of_what_is_not_there_says_so(soap_root: Any, fault: Any, id: str) -> None:
    with pytest.raises(fault, match=rf"NO_SUCH_OBJECT_FOUND -1: Facility\[id:{id}\] not found."):
        soap_root.returns("get", f"<query>Facility</query><primaryKey>{id}</primaryKey>")


def test_get_of_what_may_not_be_read_says_so(soap_ana: Any, fault: Any, facility: int) -> None:
    message = "INSUFFICIENT_PRIVILEGES -1: READ access to this Facility is not allowed."
    with pytest.raises(fault, match=message):
        soap_ana.returns("get", f"<query>Facility</query><primaryKey>{facility}</primaryKey>")


@pytest.mark.parametrize(
    ("selected", "type", "text"),
    [
        ("f.name", "x:string", "F"),
        ("f.id", "x:long", None),
        ("COUNT(f)", "x:long", "1"),
        ("f.createTime", "x:dateTime", None),
        ("AVG(f.id)", "x:double", None),
        ("t.valueType", "t:parameterValueType", "NUMERIC"),
        ("t.enforced", "x:boolean", "false"),
    ],
)
def test_value_says_its_type(
    soap_root: Any, facility: int, selected: str, type: str, text: str | None
) -> None:
    body = "<name>n</name><units>m</units><valueType>NUMERIC</valueType>"
    soap_root.create("parameterType", _own(facility) + body)
    (found,) = soap_root.search(f"SELECT {selected} FROM Facility f, f.parameterTypes t")
    assert found.get(XSI_TYPE) == type
    assert text is None or found.text == text


def test_several_values_are_a_field_set(soap_root: Any, facility: int) -> None:
    (row,) = soap_root.search("SELECT f.name, f.url, f FROM Facility f")
    assert row.get(XSI_TYPE) == "t:fieldSet"
    name, url, whole = row
    assert (name.tag, name.text, url.get(XSI_NIL)) == ("fields", "F", "true")
    assert whole.findtext("id") == str(facility)


@pytest.mark.parametrize(
    "query", ["SELECT f.url FROM Facility f", "SELECT MAX(f.daysUntilRelease) FROM Facility f"]
)
def test_rows_with_only_null_are_left_out(soap_root: Any, facility: int, query: str) -> None:
    assert soap_root.search(query) == []


def test_count_of_what_nobody_may_read_is_0(soap_ana: Any, facility: int) -> None:
    assert soap_ana.values("SELECT COUNT(f) FROM Facility f") == ["0"]
    assert soap_ana.search("SELECT f FROM Facility f") == []


def test_wrong_query_is_a_bad_parameter(soap_root: Any, fault: Any) -> None:
    with pytest.raises(fault, match="BAD_PARAMETER -1: Facility has no field colour"):
        soap_root.search("SELECT f.colour FROM Facility f")


# isAccessAllowed


def _allowed(soap: Any, access: str, bean: str) -> str:
    (found,) = soap.texts("isAccessAllowed", f"{bean}<accessType>{access}</accessType>")
    return str(found)


def test_whether_creation_is_allowed_is_told_without_it(
    soap_root: Any, soap_ana: Any, bean: Callable[..., str], fault: Any
) -> None:
    new = bean("facility", "<name>G</name>")
    assert _allowed(soap_root, "CREATE", new) == "true"
    assert _allowed(soap_ana, "CREATE", new) == "false"
    soap_root.create("rule", "<crudFlags>C</crudFlags><what>Facility</what>")
    assert _allowed(soap_ana, "CREATE", new) == "true"
    with pytest.raises(fault, match=r"VALIDATION -1: Facility: name cannot be null."):
        _allowed(soap_ana, "CREATE", bean("facility", ""))
    assert soap_root.search("Facility") == []


def test_whether_access_is_allowed_follows_the_rules(
    soap_root: Any, soap_ana: Any, bean: Callable[..., str], facility: int
) -> None:
    here, nowhere = bean("facility", f"<id>{facility}</id>"), bean("facility", "<id>77</id>")
    for access in ("READ", "UPDATE", "DELETE"):
        assert _allowed(soap_ana, access, here) == "false"
        assert _allowed(soap_root, access, nowhere) == "true"
    rule = "<crudFlags>RD</crudFlags><what>SELECT f FROM Facility f WHERE f.name = 'F'</what>"
    soap_root.create("rule", rule)
    assert _allowed(soap_ana, "READ", here) == "true"
    assert _allowed(soap_ana, "DELETE", here) == "true"
    assert _allowed(soap_ana, "UPDATE", here) == "false"
    assert _allowed(soap_ana, "READ", nowhere) == "false"
    soap_root.create("rule", "<crudFlags>R</crudFlags><what>Facility</what>")
    assert _allowed(soap_ana, "READ", nowhere) == "true"


def test_access_that_there_is_not_is_refused(soap_root: Any, bean: Any, fault: Any) -> None:
    with pytest.raises(fault, match="accessType is one of CREATE, READ, UPDATE, DELETE, not EAT"):
        _allowed(soap_root, "EAT", bean("facility", "<id>1</id>"))


def test_children_need_no_right_of_their_own(
    soap_root: Any, soap_ana: Any, fault: Any, bean: Any, facility: int
) -> None:
    soap_root.create("rule", "<crudFlags>C</crudFlags><what>Instrument</what>")
    user = soap_root.create("user", "<name>simple/ana</name>")
    scientist = f"<instrumentScientists><user><id>{user}</id></user></instrumentScientists>"
    soap_ana.create("instrument", f"{scientist}{_own(facility)}<name>E2</name>")
    assert soap_root.values("SELECT COUNT(s) FROM InstrumentScientist s") == ["1"]
    message = "INSUFFICIENT_PRIVILEGES -1: CREATE access to this DatasetType is not allowed."
    with pytest.raises(fault, match=message):
        soap_ana.create("datasetType", f"{_own(facility)}<name>raw</name>")


def test_date_without_zone_is_in_that_of_the_settings(
    settings_file: Path, monkeypatch: pytest.MonkeyPatch, soap: Any
) -> None:
    monkeypatch.setenv("CATALOG__TIME_ZONE", "Europe/Berlin")
    made = app_for(settings.read(settings_file))
    there = replace(soap, http=made.test_client())
    root = there.login("simple", username="root", password="root-pass")
    for name, moment in (("a", "2026-07-01"), ("b", "2026-01-01T12:00:00.5")):
        root.create("study", f"<name>{name}</name><startDate>{moment}</startDate>")
    assert root.values("SELECT s.startDate FROM Study s") == [
        "2026-06-30T22:00:00.000Z",
        "2026-01-01T11:00:00.500Z",
    ]
    made.extensions["catalog"].transactions.engine.dispose()


def test_fault_of_the_server_names_the_request_in_its_log(
    app: Flask, soap: Any, fault: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    broken = replace(app.extensions["catalog"], transactions=None)
    monkeypatch.setitem(app.extensions, "catalog", broken)
    message = r"INTERNAL -1: something went wrong on the server \(request [0-9a-f]+\)"
    with pytest.raises(fault, match=message):
        soap.texts("getUserName")
    assert "unexpected AttributeError" in caplog.text


def test_nobody_gives_rights_along_with_what_may_be_created(
    soap_root: Any, soap_ana: Any, fault: Any
) -> None:
    for what in ("Grouping", "User"):
        soap_root.create("rule", f"<crudFlags>C</crudFlags><what>{what}</what>")
    group = soap_root.create("grouping", "<name>powerful</name>")
    rule = "<rules><crudFlags>CRUD</crudFlags><what>Facility</what></rules>"
    member = f"<userGroups><grouping><id>{group}</id></grouping></userGroups>"
    with pytest.raises(fault, match="CREATE access to this Rule is not allowed"):
        soap_ana.create("grouping", f"<name>g</name>{rule}")
    with pytest.raises(fault, match="CREATE access to this UserGroup is not allowed"):
        soap_ana.create("user", f"<name>simple/ana</name>{member}")
    soap_ana.create("user", "<name>simple/ana</name>")
    assert soap_root.values("SELECT COUNT(r) FROM Rule r") == ["2"]
