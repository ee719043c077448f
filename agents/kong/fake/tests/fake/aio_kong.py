"""aio-kong against a Kong: creates, lists, changes and deletes. The address of the Admin API is the argument."""

import asyncio
import sys

from kong.client import Kong, KongResponseError


async def main(url: str) -> None:
    async with Kong(url) as kong:
        service = await kong.services.create(name="petstore", url="http://127.0.0.1:19999/api", tags=["demo"])
        route = await service.routes.create(name="pets", paths=["/pets"], methods=["GET"])
        plugin = await route.plugins.create(name="key-auth", config={"key_names": ["apikey"]})
        assert plugin["config"]["key_in_header"] is True, plugin
        consumer = await kong.consumers.create(username="alice")
        key = await consumer.keyauths.create(key="alice-key")
        await consumer.acls.create(group="gold")
        assert key["consumer"]["id"] == consumer.id

        for number in range(120):
            await kong.services.create(name=f"service-{number}", host="h.test")
        assert len(await kong.services.get_full_list()) == 121
        assert [one.name for one in await service.routes.get_list()] == ["pets"]
        assert [one["group"] for one in await consumer.acls.get_list()] == ["gold"]

        updated = await kong.services.update("petstore", retries=2)
        assert updated["retries"] == 2 and updated["tags"] == ["demo"]
        assert await kong.services.has("petstore") and not await kong.services.has("nobody")
        try:
            await kong.services.create(name="petstore", host="h.test")
        except KongResponseError as error:
            assert error.status == 409, error
        else:
            raise AssertionError("the second service of a name was taken")

        for one in await kong.services.get_full_list():
            await kong.services.delete(one.id)
        await kong.consumers.delete("alice")
        await kong.plugins.delete_all()


asyncio.run(main(sys.argv[1]))
