"""What schemathesis leaves out of the requests that it makes up."""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    # With columns, an object has what they name and nothing else.
    if case.query:
        case.query.pop("columns", None)
