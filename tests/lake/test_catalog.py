import pytest

from headrace.errors import AccessError, LakeError
from headrace.lake.catalog import LAYERS, TableName, parse_name, readable_uri, writable_uri


def test_a_name_is_layer_and_noun():
    assert parse_name("silver.flight_delay_weather") == TableName(None, "silver", "flight_delay_weather")


def test_another_environments_table_has_its_name_in_front():
    name = parse_name("prod.gold.flight_delay_features")
    assert name == TableName("prod", "gold", "flight_delay_features")
    assert name.local == "gold.flight_delay_features"


@pytest.mark.parametrize(
    "name", ["weather", "silver.", "silver.Weather", "silver.wea ther", "silver.a.b.c", "silver.../../etc", 'silver.a"b', "silver.a;drop", ""]
)
def test_a_name_that_could_become_another_path_or_sql_is_refused(name):
    with pytest.raises(LakeError, match="is not layer.noun"):
        parse_name(name)


def test_an_unknown_layer_is_refused_with_those_that_exist():
    with pytest.raises(LakeError, match=f"layers: {', '.join(LAYERS)}"):
        parse_name("platinum.shop_sales")


def test_ones_own_tables_lie_under_ones_own_lake(settings):
    assert readable_uri(settings, "silver.shop_sales") == str(settings.home / "dev" / "lake" / "silver" / "shop_sales")
    assert readable_uri(settings, "dev.silver.shop_sales") == writable_uri(settings, "silver.shop_sales")


def test_a_declared_environment_is_read_beside_ones_own_or_where_it_says(settings):
    beside = settings.model_copy(update={"readable": {"prod": None}})
    elsewhere = settings.model_copy(update={"readable": {"prod": str(settings.home / "mirror")}})
    assert readable_uri(beside, "prod.silver.shop_sales") == str(settings.home / "prod" / "lake" / "silver" / "shop_sales")
    assert readable_uri(elsewhere, "prod.silver.shop_sales") == str(settings.home / "mirror" / "silver" / "shop_sales")


def test_an_undeclared_environment_cannot_be_read(settings):
    closed = settings.model_copy(update={"readable": {"staging": None}})
    with pytest.raises(AccessError, match="environments it reads are dev, staging"):
        readable_uri(closed, "prod.silver.shop_sales")


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_another_environments_table_cannot_be_written_even_if_it_can_be_read(settings, environment):
    with pytest.raises(AccessError, match=f"run this with ENV={environment}"):
        writable_uri(settings, f"{environment}.silver.shop_sales")
