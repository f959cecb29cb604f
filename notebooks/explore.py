"""A look at a use case's lake: profile, label over time, feature against label, drift, SQL. `make explore` opens a copy of it."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Headrace: explore")


@app.cell(hide_code=True)
def _():
    import marimo as mo

    from headrace.errors import HeadraceError
    from headrace.explore import labels, profile, query, sections, windows
    from headrace.explore.lake import open_lake

    return (
        HeadraceError,
        labels,
        mo,
        open_lake,
        profile,
        query,
        sections,
        windows,
    )


@app.cell
def _(mo, open_lake):
    # For cells of your own: lake.read(lake.feature_table) is a lazy frame, without personal columns. This copy is yours, git does not see it.
    lake = open_lake(mo.cli_args().get("use-case"), of=mo.cli_args().get("of"))
    return (lake,)


@app.cell(hide_code=True)
def _(lake, mo):
    about = (f"`{lake.case.label.name}`: {lake.case.label.description}", lake.case.about_days, f"The lake of `{lake.environment}`, read only.")
    mo.md("\n\n".join((f"# {lake.case.title}", *filter(None, about))))
    return


@app.cell(hide_code=True)
def _(lake, mo):
    start = lake.feature_table if lake.feature_table in lake.tables else lake.tables[0]
    table = mo.ui.dropdown(lake.tables, value=start, label="Table", searchable=True)
    return start, table


@app.cell(hide_code=True)
def _(lake, mo, table):
    versions = [str(number) for number in lake.read_versions(table.value)["version"]]
    version = mo.ui.dropdown(versions, value=versions[0], label="Version", searchable=True)
    mo.hstack([table, version], justify="start")
    return (version,)


@app.cell
def _(lake, profile, sections, table, version):
    rows = lake.read_rows(table.value, version=int(version.value))
    columns = profile.measure_columns(rows.frame, lake.find_contract(table.value))
    sections.build_profile(table.value, lake.find_contract(table.value), rows, columns)
    return


@app.cell
def _(labels, lake):
    label, kind, time = lake.case.label.name, lake.case.kind, "prediction_at"
    labelled = lake.read_labelled_rows()
    suggested = labels.choose_period(labelled[time])
    return kind, label, labelled, suggested, time


@app.cell(hide_code=True)
def _(labels, mo, suggested):
    period = mo.ui.dropdown(labels.PERIODS, value=labels.PERIOD_NAMES[suggested], label="By")
    period
    return (period,)


@app.cell
def _(kind, label, labelled, labels, period, sections, time):
    over_time = labels.measure_over_time(labelled, label=label, time=time, every=period.value, declared=kind)
    sections.build_over_time(over_time, label=label, every=period.value)
    return


@app.cell(hide_code=True)
def _(labelled, lake, mo):
    names = [name for name in lake.case.features.names if name in labelled.columns]
    feature = mo.ui.dropdown(names, value=names[0], label="Feature", searchable=True)
    group_count = mo.ui.slider(2, 20, value=10, label="Groups", show_value=True)
    mo.hstack([feature, group_count], justify="start")
    return feature, group_count, names


@app.cell
def _(feature, group_count, kind, label, labelled, labels, lake, sections):
    by_feature = labels.measure_by_feature(labelled, label=label, feature=feature.value, group_count=group_count.value, declared=kind)
    sections.build_by_feature(by_feature, label=label, feature=feature.value, contract=lake.find_contract(lake.feature_table))
    return


@app.cell(hide_code=True)
def _(lake, mo, time, windows):
    features = lake.read_features()
    now, before = windows.choose_windows(features[time])
    current = mo.ui.date_range(value=windows.name_dates(now), label="Window")
    reference = mo.ui.date_range(value=windows.name_dates(before), label="against")
    mo.hstack([current, reference], justify="start")
    return current, features, reference


@app.cell
def _(current, features, lake, names, reference, sections, time, windows):
    span, other = windows.read_dates(*current.value), windows.read_dates(*reference.value)
    drift = windows.compare_windows(features, lake.case, time=time, current=span, reference=other, features=names, seed=lake.settings.seed)
    sections.build_drift(drift, current=span, reference=other, threshold=lake.case.policy.drift_threshold)
    return


@app.cell(hide_code=True)
def _(lake, mo, start):
    schemas = lake.read_schemas()
    sql = mo.ui.code_editor(f"SELECT COUNT(*) AS rows\nFROM {start}", language="sql", min_height=80, label="SQL, by Polars", debounce=True)
    sql
    return schemas, sql


@app.cell
def _(HeadraceError, lake, query, schemas, sections, sql):
    try:
        answer = query.answer_query(sql.value, lake.read, schemas)
    except HeadraceError as error:
        answer = error
    sections.build_answer(answer)
    return


if __name__ == "__main__":
    app.run()
